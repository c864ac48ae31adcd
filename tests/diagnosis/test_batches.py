"""Functions mapped over examples in batches: values, order, sizes and number of programs."""

import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.diagnosis.batches import Pass, over_examples


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_every_example_once_and_in_order(n, batch_size):
    x = jnp.arange(3.0 * n).reshape(n, 3)
    n_traces = 0

    def square(example):
        nonlocal n_traces
        n_traces += 1
        return {"square": example["x"] ** 2, "number": example["k"]}

    numbered = Pass(square, {"x": x, "k": jnp.arange(n)})
    total = Pass(jnp.sum, x[:1])
    found, (first,) = over_examples([numbered, total], batch_size)
    np.testing.assert_array_equal(found["square"], x**2)
    np.testing.assert_array_equal(found["number"], np.arange(n))
    assert (n_traces, first) == (1, 3)
