"""Initial steps that are not counted, in sequences that end before them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import probes
from rnnjax.penalties import Flossing

CELL = rnnjax.Vanilla(2, 3, 1)
X = jnp.ones((10, 2))
SHORT = rnnjax.Batch(X, X, (jnp.arange(10) < 3).astype(float))


def measured(name, params, batch):
    if name == "Flossing":
        return {"": Flossing(2, n_discarded=5)(CELL, None, params, batch)}
    found = getattr(probes, name)(CELL, None, params, batch, n_discarded=5)
    return {key: found[key] for key in ("mean_log_det", "exponents") if key in found}


@pytest.mark.parametrize(
    "name", ["mean_log_det", "lyapunov_spectrum", "lyapunov_spectra_of_layers", "Flossing"]
)
def test_no_step_that_counts_gives_no_number(name):
    """One line where the length is known, NaN where it is traced; never -inf, a lost direction."""
    params = CELL.init(jax.random.key(0))
    with pytest.raises(ValueError, match="n_discarded: expected fewer than T = 3 steps, got 5"):
        measured(name, params, SHORT)
    (found,) = jax.jit(lambda batch: measured(name, params, batch))(SHORT).values()
    assert np.all(np.isnan(found))


def test_flossing_checks_what_it_discards_and_how_many_exponents_there_are():
    params, whole = CELL.init(jax.random.key(0)), SHORT.replace(mask=jnp.ones(10))
    with pytest.raises(ValueError, match="n_discarded: expected fewer than T = 10 steps, got 20"):
        Flossing(2, n_discarded=20)(CELL, None, params, whole)
    with pytest.raises(ValueError, match="n_exponents: expected at most the 3 finite ones, got 4"):
        Flossing(4)(CELL, None, params, whole)
