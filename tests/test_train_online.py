import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import decks, rules, scaled

TASK = decks.DataPairs(length=6)
CELL = rnnjax.Vanilla(2, 3, 2, leak=0.7, gain=1.2)
KEY = jax.random.key(0)


def trained(rule, rate, **options):
    """Parameters before and after, and the losses, of one plain descent."""
    options = {"n_sequences": 1, **options}

    @jax.jit
    def run(rate):
        params = CELL.init(KEY)
        out = rnnjax.fit_online(CELL, TASK, rule, optax.sgd(rate), KEY, params=params, **options)
        return params, out.params, out.loss

    return jax.tree.map(np.asarray, run(rate))


def distance(a, b):
    return max(np.abs(x - y).max() for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


@pytest.mark.wide
@pytest.mark.parametrize("rule", [rules.RTRL(), pytest.param(rules.RFLO(), marks=pytest.mark.wide)])
def test_updating_at_every_step_differs_from_waiting_in_second_order_of_the_rate(rule):
    """The sum of the updates of a sequence is that of its gradient, up to rate squared."""
    gaps = []
    for rate in (1e-3, 5e-4):
        before, every_step, _ = trained(rule, rate)
        _, at_the_end, _ = trained(rule, rate, steps_per_update=6)
        assert distance(before, at_the_end) > 1e-5
        gaps.append(distance(every_step, at_the_end))
    np.testing.assert_allclose(gaps[0] / gaps[1], 4, rtol=0.02)


@pytest.mark.wide
def test_one_update_at_the_end_is_one_step_along_the_rules_gradient():
    before, after, losses = trained(rules.RTRL(), 0.1, steps_per_update=6, batch_size=3)
    _, exact, mean = trained(rules.BPTT(), 0.1, steps_per_update=6, batch_size=3)
    assert distance(before, after) > 1e-3 and distance(after, exact) < 1e-13
    assert losses.shape == (1, 6) and len(np.unique(losses)) == 6
    np.testing.assert_allclose(mean, np.full((1, 6), losses.mean()), rtol=1e-12)


@pytest.mark.wide
def test_a_piecewise_rule_carries_its_state_from_piece_to_piece():
    """Blocks of 3 with their own updates, by hand, against the loop."""
    rule, rate = rules.TruncatedBPTT(3), 0.1

    @jax.jit
    def by_hand(key):
        params = CELL.init(KEY)
        _, key_data = jax.random.split(key)
        batch = TASK.sample(jax.random.split(jax.random.fold_in(key_data, 0), 1)[0])
        state = rule.init(CELL, params, batch)
        for cut in (slice(3), slice(3, None)):
            piece = jax.tree.map(lambda a, cut=cut: a[cut], batch)
            out = rule(CELL, TASK.loss, params, piece, state)
            state = out.state
            params = jax.tree.map(lambda p, g: p - rate * g, params, scaled.plain(out.grads))
        return params

    _, after, _ = trained(rule, rate, steps_per_update=3)
    assert distance(after, jax.tree.map(np.asarray, by_hand(KEY))) < 1e-13


def test_a_rule_that_foresees_later_losses_updates_before_they_fall_due():
    """DNI at a tiny rate: the updates of its steps sum to its gradient, whose loss comes late."""
    task, cell, rule = decks.PulseMemory(length=6), rnnjax.Vanilla(2, 3, 2), rules.DNI(rate=0.5)

    @jax.jit
    def run(rate):
        params = cell.init(KEY)
        given = (cell, task, rule, optax.sgd(rate), KEY)
        options = {"params": params, "n_sequences": 3}
        every_step = rnnjax.fit_online(*given, steps_per_update=1, **options)
        at_the_end = rnnjax.fit_online(*given, steps_per_update=6, **options)
        moved = [jax.tree.map(lambda a, b: (b - a) / rate, params, out.params)
                 for out in (every_step, at_the_end)]  # fmt: skip
        return moved

    every_step, at_the_end = jax.tree.map(np.asarray, run(1e-7))
    for a, b in zip(*map(jax.tree.leaves, (every_step, at_the_end)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_where_no_loss_falls_due_nothing_moves():
    """Adam's momentum would go on; the pulse memory asks at the last of its steps alone."""
    task = decks.PulseMemory(length=6)
    cell = rnnjax.Vanilla(2, 3, 2)

    @jax.jit
    def run(key):
        params = cell.init(key)
        fit = lambda n: rnnjax.fit_online(  # noqa: E731
            cell, task, rules.RTRL(), optax.adam(0.1), key, n_sequences=n, params=params
        )
        return params, fit(1).params

    before, after = jax.tree.map(np.asarray, run(KEY))
    # One update of Adam is rate x sign of the gradient; six would be nearly six times that.
    np.testing.assert_allclose(distance(before, after), 0.1, rtol=1e-4)


@pytest.mark.wide
def test_what_a_rule_has_learned_stays_and_its_memory_does_not():
    rule = rules.DNI(rate=0.5)
    _, one, first = trained(rule, 0.0, n_sequences=1)
    _, two, both = trained(rule, 0.0, n_sequences=2)
    np.testing.assert_array_equal(first[0], both[0])
    assert distance(one, two) == 0
    _, after_one, _ = trained(rule, 0.05, n_sequences=2)
    _, untaught, _ = trained(rules.DNI(rate=0.0), 0.05, n_sequences=2)
    assert distance(after_one, untaught) > 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps_per_update": 4}, "steps_per_update: expected a divisor of T = 6, got 4"),
        ({"steps_per_update": 0}, "steps_per_update: expected a whole number of at least 1"),
        ({"n_sequences": 0}, "n_sequences: expected a whole number of at least 1"),
    ],
)
def test_counts_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        trained(rules.RTRL(), 0.1, **options)


@pytest.mark.wide
def test_observers_see_every_batch_and_have_no_say():
    """They carry what they learn; the driver trains as if they were not there."""

    def fit(observers):
        def probe(cell, loss, params, batch, states=None):
            return {"A": jnp.zeros(()) if states is None else states["dni"].learned.signal}

        return rnnjax.fit(
            CELL,
            TASK,
            rules.BPTT(),
            optax.sgd(0.05),
            KEY,
            n_updates=6,
            batch_size=2,
            every=3,
            probe=probe,
            observers=observers,
        )

    @jax.jit
    def run():
        return fit({"dni": rules.DNI(rate=0.5), "uoro": rules.UORO()}), fit(None)

    with_them, alone = jax.tree.map(np.asarray, run())
    assert distance(with_them.params, alone.params) == 0
    A = with_them.probes["A"]
    assert not A[0].any() and np.abs(A[1]).max() > 1e-3
