import jax
import numpy as np
import pytest

import rnnjax
from rnnjax import decks, rules, scaled
from tests.crossed import wide_but

TASK = decks.DataPairs()
CELL = rnnjax.Jordan(2, 3, 2, feedback=(1,), start=0.1, spread=1.5)


@pytest.mark.wide
@pytest.mark.parametrize("matched", wide_but([1.0], [0.0, 1.0]))
def test_the_plain_direction_has_the_length_of_the_ratio(matched):
    ratio = rnnjax.decks.EligibilityRatio()

    @jax.jit
    def run(key):
        params = CELL.init(key)
        batch = jax.tree.map(lambda a: a[:3], TASK.training())

        def grads(rule):
            return rules.batch_gradient(rule, CELL, TASK.loss, params, batch, ()).grads

        got = grads(decks.MatchedLength(ratio, matched))
        return [
            (scaled.log_norm(other) - scaled.log_norm(got), scaled.cosine(got, other))
            for other in (grads(ratio), grads(rnnjax.BPTT()))
        ]

    (length_gap, _), (_, cosine) = run(jax.random.key(0))
    np.testing.assert_allclose(length_gap, 0, atol=1e-12)
    assert (abs(float(cosine) - 1) < 1e-12) == bool(matched)
