"""Optimisers of optax in training: each of them works, or is refused in one line."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

import rnnjax
from rnnjax import decks, rules, updates
from tests.crossed import crossed

CELL, TASK, KEY = rnnjax.Vanilla(2, 3, 2), decks.DataPairs(length=4), jax.random.key(0)


def matrices(params):
    return jax.tree.map(lambda leaf: leaf.ndim == 2, params)


def kinds(params):
    return jax.tree.map(lambda leaf: "matrix" if leaf.ndim == 2 else "vector", params)


def plateau():
    """Halves what comes in after every update that does not come down by a factor of 9."""
    return contrib.reduce_on_plateau(factor=0.5, patience=1, rtol=0.9, min_scale=1e-4)


TAKEN = {
    "plateau": optax.chain(optax.sgd(0.1), plateau()),
    "plateau in front": optax.chain(plateau(), optax.sgd(0.1)),
    "plateau of a mean": contrib.reduce_on_plateau(accumulation_size=2),
    "plateau behind a clipping": updates.clip_by_norm(1.0, optax.chain(optax.sgd(0.1), plateau())),
    "plateau behind units": updates.clip_by_unit(1.0, optax.chain(optax.adam(0.1), plateau())),
    "plateau of some": optax.partition(
        {"matrix": optax.chain(optax.adam(0.1), plateau()), "vector": optax.sgd(0.1)}, kinds
    ),
    "plateau of several": optax.MultiSteps(optax.chain(optax.adam(0.1), plateau()), 2),
    "plateau where finite": optax.apply_if_finite(optax.chain(optax.sgd(0.1), plateau()), 3),
    "polyak": optax.polyak_sgd(1.0),
    "momo": contrib.momo(0.1),
    "several steps": optax.MultiSteps(optax.adam(0.1), 2),
    "hyperparameters": optax.inject_hyperparams(optax.adam)(
        learning_rate=optax.linear_schedule(0.1, 0.0, 10)
    ),
    "masked": optax.masked(optax.adam(0.1), matrices),
    "several": optax.multi_transform({"matrix": optax.adam(0.1), "vector": optax.sgd(1.0)}, kinds),
    "schedule free": contrib.schedule_free(optax.sgd(0.1), 0.1),
    "where finite": optax.apply_if_finite(optax.adam(0.1), 3),
    "narrow moments": optax.adam(0.1, mu_dtype=jnp.bfloat16),
    "schedule": optax.sgd(optax.cosine_decay_schedule(0.1, 10), momentum=0.9, nesterov=True),
    "noise": optax.chain(optax.add_noise(0.1, 0.1, KEY), optax.sgd(0.1)),
    "no line search": optax.lbfgs(0.1, linesearch=None),
    "sharpness": contrib.sam(optax.sgd(0.1), optax.sgd(0.01)),
    "muon": contrib.muon(0.1),
}
REFUSED = {
    "line search": (optax.lbfgs(), "one that asks for 'grad' and 'value_fn'"),
    "line search behind a clipping": (
        updates.clip_by_norm(1.0, optax.lbfgs()),
        "one that asks for 'grad' and 'value_fn'",
    ),
    "backtracking": (
        optax.chain(optax.sgd(0.1), optax.scale_by_backtracking_linesearch(5)),
        "one that asks for 'grad' and 'value_fn'",
    ),
    "lookahead": (optax.lookahead(optax.sgd(0.1), 3, 0.5), "one that raised AttributeError"),
    "curvature": (contrib.sophia(0.1), "one that raised ValueError: obj_fn must be"),
    "clipping inside": (
        optax.chain(updates.clip_by_norm(1.0, optax.sgd(0.1))),
        "one that raised ValueError: grads: expected the scaled gradient of a rule",
    ),
    "growing state": (
        optax.GradientTransformation(lambda p: {}, lambda g, s, p=None: (g, {"n": jnp.ones(())})),
        "nothing that becomes [1]['n'] float64()",
    ),
    "a function": (optax.adam, "<function adam"),
    "a class": (optax.MultiSteps, "<class "),
    "a number": (0.1, "0.1"),
    "nothing": (None, "None"),
}


def fit(optimiser):
    return rnnjax.fit(
        CELL, TASK, rnnjax.BPTT(), optimiser, KEY, n_updates=4, batch_size=2
    )  # fmt: skip


def fit_online(optimiser):
    return rnnjax.fit_online(
        CELL, TASK, rules.RTRL(), optimiser, KEY, n_sequences=2, steps_per_update=2
    )


TRAININGS = pytest.mark.parametrize("train", [fit, fit_online])


@pytest.mark.wide
@crossed("name, train", TAKEN, [fit, fit_online], every=3, wide=3)
def test_it_trains(name, train):
    out = jax.tree.map(np.asarray, jax.jit(lambda: train(TAKEN[name]))())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(out))
    start = CELL.init(jax.random.split(KEY, 3 if train is fit else 2)[0])
    assert not np.allclose(out.params.W, start.W, rtol=0, atol=1e-12)


@TRAININGS
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_it_is_refused_in_one_line(name, train):
    optimiser, got = REFUSED[name]
    with pytest.raises(ValueError, match=r"^optimiser: expected ") as told:
        train(optimiser)
    assert got in str(told.value) and "\n" not in str(told.value) and len(str(told.value)) < 420


@pytest.mark.wide
def test_a_plateau_sees_the_loss_of_the_update():
    """The loss of a fixed batch at rest does not come down, so that every update halves."""
    scales = []

    def recorded(grads, state, params=None):
        jax.debug.callback(lambda g: scales.append(float(g)), grads.W[0, 0], ordered=True)
        return jax.tree.map(jnp.zeros_like, grads), state

    end = optax.GradientTransformation(lambda params: (), recorded)
    batch = jax.tree.map(lambda leaf: leaf[:3], TASK.training())
    optimiser = optax.chain(contrib.reduce_on_plateau(factor=0.5, patience=1, cooldown=0), end)
    run = jax.jit(
        lambda: (
            rnnjax.fit(CELL, TASK, rnnjax.BPTT(), optimiser, KEY, n_updates=5, batch=batch).params
        )
    )
    jax.block_until_ready(run())
    jax.effects_barrier()
    np.testing.assert_allclose(np.array(scales[1:]) / scales[0], [0.5, 0.25, 0.125, 0.0625][:4])


@pytest.mark.wide
def test_a_step_of_polyak_is_the_loss_over_the_square_of_the_gradient():
    batch = jax.tree.map(lambda leaf: leaf[:3], TASK.training())

    @jax.jit
    def run():
        params = CELL.init(KEY)
        options = {"n_updates": 1, "batch": batch, "params": params}
        got = rnnjax.fit(CELL, TASK, rnnjax.BPTT(), optax.polyak_sgd(1e9), KEY, **options)

        def mean(params):
            each = jax.vmap(lambda b: rnnjax.sequence_loss(CELL, TASK.loss, params, b))(batch)
            return jnp.mean(each)

        loss, grads = jax.value_and_grad(mean)(params)
        rate = loss / optax.tree.norm(grads, squared=True)
        return got.params, jax.tree.map(lambda p, g: p - rate * g, params, grads)

    got, expected = run()
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.wide
def test_where_no_loss_falls_due_a_plateau_does_not_count():
    """Else it would see losses of 0, the best there can be, in between."""
    task, cell = decks.PulseMemory(length=4), rnnjax.Vanilla(2, 3, 2)
    optimiser = optax.chain(optax.sgd(0.1), contrib.reduce_on_plateau(factor=0.5, patience=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = [
            jax.jit(
                lambda steps=steps: rnnjax.fit_online(
                    cell, task, rules.RTRL(), optimiser, KEY, n_sequences=3, steps_per_update=steps
                )
            )().params
            for steps in (1, 4)
        ]
    for a, b in zip(*out, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)
