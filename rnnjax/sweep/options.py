"""The options of jax under which a sweep is traced, compiled and run, for the current thread only.

They are those of `surroundings.FIXED`: whatever the user or the environment has set, one config
gives the same bits, and no setting of jax has changed afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rnnjax.errors import SetupError, shown
from rnnjax.lazy import jax
from rnnjax.sweep.surroundings import FIXED

# These have no public context manager.
_GLOBAL = ("jax_random_seed_offset", "jax_disable_most_optimizations")


@contextmanager
def fixed_options(precision: str) -> Iterator[None]:
    """Set the options within the block.

    Args:
        precision: ``"float32"`` or ``"float64"``.

    Raises:
        SetupError: an option that can only be set for the whole process has another value.
    """
    for name in _GLOBAL:
        value = jax.config.values.get(name, FIXED[name])
        if value != FIXED[name]:
            message = (
                f"expected {FIXED[name]!r}, which sweeps are computed with, got {shown(value)}"
            )
            raise SetupError(name, message)
    with ExitStack() as stack:
        stack.enter_context(jax.enable_x64(precision == "float64"))
        for name, value in FIXED.items():
            if name not in _GLOBAL:
                stack.enter_context(getattr(jax, name.removeprefix("jax_"))(value))
        yield
