import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import probes, tasks, updates
from rnnjax.losses import squared_error
from rnnjax.train import accuracy, mean_loss

TASK = tasks.Adding(length=8)
CELL = rnnjax.Vanilla(2, 6, 1)
KEY = jax.random.key(0)
ONE = jax.eval_shape(TASK.sample, KEY)


def fit(key, optimiser, **options):
    options = {"n_updates": 12, "batch_size": 3} | options
    return rnnjax.fit(CELL, TASK, rnnjax.BPTT(), optimiser, key, **options)


def test_training_is_the_plain_loop():
    """The same keys, jax.grad of the mean loss, optax, one update after the other."""
    optimiser = optax.adam(0.05)
    got = jax.tree.map(np.asarray, jax.jit(lambda key: fit(key, optimiser))(jax.random.key(1)))
    key_init, key_data, _ = jax.random.split(jax.random.key(1), 3)

    def mean_loss(params, batch):
        losses = jax.vmap(lambda b: rnnjax.sequence_loss(CELL, squared_error, params, b))(batch)
        return jnp.mean(losses)

    @jax.jit
    def update(params, state, n):
        keys = jax.random.split(jax.random.fold_in(key_data, n), 3)
        loss, grads = jax.value_and_grad(mean_loss)(params, jax.vmap(TASK.sample)(keys))
        updates, state = optimiser.update(grads, state)
        return optax.apply_updates(params, updates), state, loss

    params = jax.jit(CELL.init)(key_init)
    state = jax.jit(optimiser.init)(params)
    for n in range(12):
        params, state, loss = update(params, state, n)
        np.testing.assert_allclose(got.loss[n], loss, rtol=1e-9)
    for a, b in zip(got.params, params, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


@pytest.mark.wide
def test_the_mean_loss_of_a_batch_is_that_of_its_first_update():
    batch = jax.vmap(TASK.sample)(jax.random.split(KEY, 5))
    params = CELL.init(KEY)

    @jax.jit
    def both():
        trained = fit(KEY, optax.sgd(0.1), batch=batch, batch_size=None, params=params)
        return trained.loss[0], mean_loss(CELL, TASK.loss, params, batch)

    first, alone = both()
    np.testing.assert_allclose(alone, first, rtol=1e-12)
    assert alone > 0


@pytest.mark.wide
def test_probes_run_every_k_updates_and_change_nothing():
    key_init, _, key_probe = jax.random.split(jax.random.key(0), 3)

    @jax.jit
    def run(key):
        plain = fit(key, optax.sgd(0.1), n_updates=4)
        probed = fit(key, optax.sgd(0.1), n_updates=4, probe=probes.log_norm_by_lag, every=2)
        batch = TASK.sample(key_probe)
        untrained = probes.log_norm_by_lag(CELL, TASK.loss, CELL.init(key_init), batch)
        return plain.loss, probed, untrained["log_norm"]

    plain, probed, untrained = run(jax.random.key(0))
    log_norm = probed.probes["log_norm"]
    np.testing.assert_allclose(plain, probed.loss, rtol=1e-12)
    assert log_norm.shape == (2, 9)
    np.testing.assert_allclose(log_norm[0], untrained, rtol=1e-9)
    assert not np.allclose(log_norm[0], log_norm[1])


@pytest.mark.wide
def test_a_fixed_batch_is_descended_on_every_time():
    """Full-batch gradient descent on three sequences, written out."""

    @jax.jit
    def run(key):
        batch = jax.vmap(TASK.sample)(jax.random.split(key, 3))
        params = CELL.init(key)
        got = rnnjax.fit(
            CELL, TASK, rnnjax.BPTT(), optax.sgd(0.1), key, n_updates=5, batch=batch, params=params
        )

        def mean_loss(p):
            losses = jax.vmap(lambda b: rnnjax.sequence_loss(CELL, squared_error, p, b))(batch)
            return jnp.mean(losses)

        def update(p, _):
            loss, grads = jax.value_and_grad(mean_loss)(p)
            return jax.tree.map(lambda a, g: a - 0.1 * g, p, grads), loss

        return got.loss, jax.lax.scan(update, params, None, length=5)[1]

    got, expected = run(jax.random.key(0))
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_fresh_sequences_or_the_same_ones_but_not_both():
    batch = jax.eval_shape(jax.vmap(TASK.sample), jax.random.split(jax.random.key(0), 3))
    for given in ({"batch_size": 3, "batch": batch}, {"batch_size": None}):
        with pytest.raises(ValueError, match="batch_size: expected it for fresh sequences, or"):
            fit(jax.random.key(0), optax.sgd(0.1), **given)


@pytest.mark.wide
def test_seeds_and_learning_rates_are_lanes():
    def one(seed, rate):
        optimiser = updates.clip_by_norm(1.0, optax.sgd(rate))
        return fit(jax.random.key(seed), optimiser, n_updates=3).loss

    lanes = jax.vmap(jax.vmap(one, (None, 0)), (0, None))
    got, alone = jax.jit(lambda s, r: (lanes(s, r), one(1, 0.2)))(
        jnp.arange(2), jnp.array([0.0, 0.2])
    )
    assert got.shape == (2, 2, 3)
    np.testing.assert_allclose(got[1, 1], alone, rtol=1e-9)
    assert not np.allclose(got[1, 0], alone)


@pytest.mark.wide
def test_training_learns():
    options = {"n_updates": 600, "batch_size": 16}
    run = jax.jit(lambda key: fit(key, optax.adam(0.02), **options).loss)
    loss = np.asarray(run(jax.random.key(0)))
    # A sixth is what the best constant answer costs.
    assert np.mean(loss[-50:]) < 0.02 < 1 / 6 < np.mean(loss[:3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_updates": 0}, "n_updates: expected a whole number of at least 1, got 0"),
        ({"n_updates": 5, "every": 2}, "n_updates: expected a multiple of every = 2, got 5"),
        ({"batch_size": None, "batch": jax.tree.map(lambda a: np.ones((0, *a.shape)), ONE)},
         "batch: expected at least one sequence, got none"),
        ({"batch_size": None, "batch": "all"}, "batch: expected a rnnjax.Batch.*, got 'all'"),
    ],
)  # fmt: skip
def test_counts_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit(KEY, optax.sgd(0.1), **options)


def test_accuracy_counts_the_steps_with_weight_whose_largest_output_is_right():
    cell = rnnjax.Vanilla(2, 2, 2, activation=rnnjax.activations.identity)
    identity = jnp.eye(2)
    params = rnnjax.cells.VanillaParams(
        0 * identity, identity, jnp.zeros(2), identity, jnp.zeros(2)
    )
    x = jnp.eye(2)[jnp.array([[0, 1, 1], [1, 0, 0]])]
    y = jnp.eye(2)[jnp.array([[0, 0, 1], [1, 0, 1]])]
    mask = jnp.array([[1.0, 1.0, 0.0], [0.5, 0.0, 2.0]])
    assert accuracy(cell, params, rnnjax.Batch(x, y, mask)) == 2 / 4


@pytest.mark.parametrize(
    ("n_y", "y", "message"),
    [
        (1, np.ones((2, 3, 1)), "at least 2"),
        (2, np.ones((2, 3, 3)), "one-hot targets of the 2 classes"),
        (2, np.ones((3, 2)), "one leading axis"),
    ],
)
def test_accuracy_refuses_what_has_no_classes(n_y, y, message):
    cell = rnnjax.Vanilla(2, 3, n_y)
    batch = rnnjax.Batch(jnp.ones((*y.shape[:-1], 2)), y, jnp.ones(y.shape[:-1]))
    with pytest.raises(ValueError, match=f"^batch: .*{message}"):
        accuracy(cell, cell.init(KEY), batch)


def test_an_answer_that_is_not_a_number_is_wrong():
    cell = rnnjax.Vanilla(2, 3, 2)
    params = jax.tree.map(lambda a: a * jnp.nan, cell.init(KEY))
    y = jnp.zeros((2, 3, 2)).at[..., 0].set(1.0)
    assert accuracy(cell, params, rnnjax.Batch(jnp.ones((2, 3, 2)), y, jnp.ones((2, 3)))) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cell", rnnjax.GRU), ("task", "adding"), ("rule", "BPTT"), ("rule", rnnjax.BPTT),
        ("probe", "log_norm_by_lag"), ("observers", [rnnjax.BPTT()]), ("observers", {"a": "RFLO"}),
    ],
)  # fmt: skip
def test_what_is_no_part_of_a_training_is_refused_in_one_line(name, value):
    task = rnnjax.tasks.Adding(5)
    given = {"cell": rnnjax.Vanilla(2, 3, 1), "task": task, "rule": rnnjax.BPTT(), name: value}
    options = {"key": jax.random.key(0), "n_updates": 1, "batch_size": 1}
    with pytest.raises(ValueError, match=f"^{name}: expected .*, got ") as caught:
        rnnjax.fit(optimiser=optax.sgd(0.1), **given, **options)
    assert "\n" not in str(caught.value)


def test_parameters_that_are_integers_are_refused_by_name():
    cell, task = rnnjax.Vanilla(2, 3, 1), rnnjax.tasks.Adding(5)
    whole = jax.tree.map(lambda p: jnp.ones(p.shape, int), cell.init(jax.random.key(0)))
    with pytest.raises(ValueError, match=r"^params: expected floating point arrays"):
        rnnjax.fit(cell, task, rnnjax.BPTT(), optax.sgd(0.1), jax.random.key(0), n_updates=1,
                   batch_size=1, params=whole)  # fmt: skip


class WithOrder(rnnjax.Vanilla):
    """A user's own cell, whose parameters hold an order of its units."""

    def init(self, key):
        return {"order": jnp.arange(3), "own": super().init(key)}


def test_integers_that_a_cell_makes_are_told_of_the_parameters_not_of_the_optimiser():
    cell, task, adam = WithOrder(2, 3, 1), rnnjax.tasks.Adding(5), optax.adam(0.1)
    with pytest.raises(ValueError, match=r"^params: expected floating point arrays"):
        rnnjax.fit(cell, task, rnnjax.BPTT(), adam, KEY, n_updates=1, batch_size=1)
    params, batch = cell.init(KEY), task.sample(KEY)
    with pytest.raises(ValueError, match=r"^params: expected floating point arrays"):
        updates.path(cell, task.loss, params, batch, adam, n_updates=1)
