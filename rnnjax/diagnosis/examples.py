"""Examples as a diagnosis takes them: a tree of arrays with one leading axis."""

from typing import Any

import jax
import numpy as np

from rnnjax.errors import one_line


def number_of(examples: Any) -> int:
    """Return the number of examples.

    Raises:
      ValueError: the arrays have no common leading axis, or there is no example.
    """
    leaves = jax.tree.leaves(examples)
    shapes = [np.shape(leaf) for leaf in leaves]
    sizes = {shape[:1] for shape in shapes}
    if len(sizes) != 1 or sizes == {()} or sizes == {(0,)}:
        message = one_line(", ".join(str(shape) for shape in shapes) or "nothing", 200)
        raise ValueError(
            f"examples: expected arrays with one leading axis of at least 1 example, got {message}"
        )
    return int(shapes[0][0])
