"""What does not fit is told in one line at the boundary, by every rule, probe and penalty."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import boundary, decks, parallel, probes, rules, shape_checks
from rnnjax.losses import cross_entropy, squared_error
from tests.crossed import crossed, wide_but
from tests.discovery import penalties_found, probes_found, rules_found
from tests.rules.test_contract import cell_of, rule_named

KEY = jax.random.key(5)
X, Y = np.random.default_rng(5).standard_normal((2, 6, 2))
GOOD = rnnjax.Batch(X, Y, np.ones(6))
SUBJECTS = [*rules_found(), *probes_found(), *penalties_found()]
NEEDS_LOSS = {*rules_found(), "Omega", "step_contributions", "curvature_along_gradient"}
CELL = rnnjax.Vanilla(2, 3, 2)


@functools.cache
def params_of(cell):
    return jax.jit(cell.init)(KEY)


@functools.cache
def subject(name):
    """The cell of a subject, its parameters, and the call (loss, params, batch)."""
    if name in rules_found():
        rule = rule_named(name)
        cell = cell_of(rule)
        params = params_of(cell)
        state = jax.jit(lambda p: rule.init(cell, p, GOOD, KEY))(params)
        return cell, params, lambda loss, p, b, cell=cell: rule(cell, loss, p, b, state)
    if name in penalties_found():
        penalty = penalties_found()[name](**{"Flossing": {"n_exponents": 1}}.get(name, {}))
        return CELL, params_of(CELL), lambda loss, p, b, cell=CELL: penalty(cell, loss, p, b)
    probe = probes_found()[name]
    return CELL, params_of(CELL), lambda loss, p, b, cell=CELL: probe(cell, loss, p, b)


def refused(start, call):
    """The call is refused in one short line that begins so, before anything is computed."""
    with pytest.raises(ValueError, match=r"^\w+: ") as told:
        call()
    message = str(told.value)
    assert message.startswith(start + ":"), message
    assert "\n" not in message and len(message) < 500
    assert ": expected " in message and " got " in message


BATCHES = {
    "x transposed": ("x", GOOD.replace(x=X.T)),
    "y transposed": ("y", GOOD.replace(y=Y.T)),
    "a batch of sequences": ("batch", jax.tree.map(lambda a: a[None], GOOD)),
    "no steps": ("batch", jax.tree.map(lambda a: a[:0], GOOD)),
    "inputs of another cell": ("x", GOOD.replace(x=X[:, :1])),
    "too many inputs": ("x", GOOD.replace(x=np.ones((6, 5)))),
    "steps that differ": ("x", GOOD.replace(x=X[:5])),
    "a mask with an axis more": ("batch", GOOD.replace(mask=np.ones((6, 1)))),
    "a complex mask": ("mask", GOOD.replace(mask=1j * np.ones(6))),
    "no batch": ("batch", (X, Y, np.ones(6))),
    "counts that are none": ("counts", GOOD.replace(counts=np.ones(6))),
    "padding on the left": ("counts", GOOD.replace(counts=np.arange(6) > 1)),
    "a gap": ("counts", GOOD.replace(counts=np.arange(6) != 3)),
}


@crossed("name, case", SUBJECTS, BATCHES)
def test_a_batch_that_does_not_fit(name, case):
    _, params, call = subject(name)
    start, batch = BATCHES[case]
    refused(start, lambda: call(squared_error, params, batch))
    refused(start, lambda: jax.eval_shape(lambda p: call(squared_error, p, batch), params))


@pytest.mark.parametrize("name", SUBJECTS)
def test_parameters_of_another_cell(name):
    _, params, call = subject(name)
    wider = jax.tree.map(lambda p: np.pad(p, [(0, 1)] * p.ndim), params)
    refused("params", lambda: call(squared_error, wider, GOOD))
    whole = jax.tree.map(lambda p: np.asarray(p, int), params)
    refused("params", lambda: call(squared_error, whole, GOOD))
    objects = jax.tree.map(lambda p: np.asarray(p, object), params)
    refused("params", lambda: call(squared_error, objects, GOOD))


LOSSES = {
    "of shape (1,)": lambda y_hat, y: jnp.sum((y_hat - y) ** 2, keepdims=True),
    "of each output": lambda y_hat, y: (y_hat - y) ** 2,
    "complex": lambda y_hat, y: jnp.sum(y_hat - y) * (1 + 1j),
    "that fails": lambda y_hat, y: y_hat[7, 3],
    "no function": 3,
}


@pytest.mark.parametrize("case", LOSSES)
@pytest.mark.parametrize("name", sorted(NEEDS_LOSS))
def test_a_loss_that_is_none(name, case):
    _, params, call = subject(name)
    refused("loss", lambda: call(LOSSES[case], params, GOOD))


@pytest.mark.parametrize("name", sorted(NEEDS_LOSS))
def test_pure_transport_is_for_probes_alone(name):
    _, params, call = subject(name)
    refused("loss", lambda: call(None, params, GOOD))


@pytest.mark.parametrize("name", wide_but(["BPTT", "RTRL"], sorted(NEEDS_LOSS)))
def test_targets_that_would_be_broadcast(name):
    _, params, call = subject(name)
    for y in (Y[:, :1], Y[:, None], jnp.ones(6)):
        for loss in (squared_error, lambda y_hat, y: jnp.mean((y_hat - y) ** 2)):
            refused("y", lambda y=y, loss=loss: call(loss, params, GOOD.replace(y=y)))
    labels = jnp.arange(6) % 2
    refused("loss", lambda: call(squared_error, params, GOOD.replace(y=labels)))
    if name == "BPTT":
        labelled = GOOD.replace(y=labels)
        assert np.isfinite(jax.jit(lambda: call(cross_entropy, params, labelled).loss)())


@pytest.mark.parametrize(
    "key", [0, None, np.zeros(3), np.zeros(3, np.uint32), jax.random.split(KEY, 2)]
)
def test_what_is_no_key(key):
    task = rnnjax.decks.DataPairs(length=3)
    cell = rnnjax.Vanilla(task.n_x, 2, task.n_y)
    params = params_of(CELL)
    for call in (
        lambda: rules.UORO().init(CELL, params, GOOD, key),
        lambda: rnnjax.fit(
            cell, task, rules.BPTT(), optax.sgd(0.1), key, n_updates=1, batch_size=1
        ),
        lambda: rnnjax.fit_online(cell, task, rules.RTRL(), optax.sgd(0.1), key, n_sequences=1),
    ):
        with pytest.raises(ValueError, match=r"^key: expected "):
            call()


def test_public_functions_of_inputs_alone():
    params = params_of(CELL)
    for call in (rnnjax.unroll, rnnjax.outputs, parallel.unroll):
        refused("x", lambda call=call: call(CELL, params, X.T))
        refused("x", lambda call=call: call(CELL, params, X[None]))
        refused("batch", lambda call=call: call(CELL, params, X[:0]))
        refused("params", lambda call=call: call(CELL, params_of(rnnjax.Vanilla(2, 4, 2)), X))
    refused("y", lambda: rnnjax.sequence_loss(CELL, squared_error, params, GOOD.replace(y=Y.T)))


def test_a_task_of_another_cell():
    task = rnnjax.decks.DataPairs(length=3)
    cell = rnnjax.Vanilla(task.n_x, 2, task.n_y + 1)
    for train in (
        lambda: rnnjax.fit(
            cell, task, rules.BPTT(), optax.sgd(0.1), KEY, n_updates=1, batch_size=1
        ),
        lambda: rnnjax.fit_online(cell, task, rules.RTRL(), optax.sgd(0.1), KEY, n_sequences=1),
    ):
        refused("y", lambda train=train: jax.eval_shape(train))


def test_an_own_cell_whose_step_is_none():
    class Bad:
        def __init__(self, step, n_h=3, **known):
            self.own, self.size, self.traits = step, n_h, rnnjax.dynamics.Traits(**known)

        def initial_state(self):
            return jnp.zeros(self.size)

        def step(self, params, h, x):
            return self.own(params, h, x)

    batch = rnnjax.Batch(X, X, jnp.ones(6))
    for start, bad in (
        ("cell", Bad(lambda p, h, x: jnp.outer(h, h))),
        ("cell", Bad(lambda p, h, x: (h, h))),
        ("step", Bad(lambda p, h, x: h @ x)),
        ("cell", Bad(lambda p, h, x: h > x[0])),
        ("cell", Bad(lambda p, h, x: jnp.sign(h).astype(int))),
        ("cell", Bad(lambda p, h, x: h, n_h=0)),
        ("cell", Bad(lambda p, h, x: h, entries_per_unit=2)),
    ):
        refused(start, lambda bad=bad: probes.log_norm_by_lag(bad, None, KEY_FREE, batch))


KEY_FREE = jax.device_put(np.ones(2))


def test_the_check_is_made_once_for_each_combination_of_shapes(monkeypatch):
    seen = []
    whole = shape_checks.check
    monkeypatch.setattr(
        shape_checks, "check", lambda *asked: (seen.append(asked), whole(*asked))[1]
    )
    boundary._check_once.cache_clear()
    params = params_of(CELL)
    run = jax.jit(lambda p, b: rules.BPTT()(CELL, squared_error, p, b).loss)
    for _ in range(3):
        run(params, GOOD)
        boundary.admitted(CELL, squared_error, params, GOOD, needs_loss=True)  # as a rule asks it
    assert len(seen) == 1 and run._cache_size() == 1


@pytest.mark.wide
def test_batches_of_rules_are_looked_at_too():
    params = params_of(CELL)
    batches = jax.tree.map(lambda a: jnp.stack([a, a]), GOOD)
    for rule in (rules.RTRL(), decks.MatchedLength()):
        init = jax.vmap(functools.partial(rule.init, CELL), (None, 0))
        state = jax.jit(init)(params, batches)
        refused(
            "batch",
            lambda rule=rule, state=state: rules.batch_gradient(
                rule, CELL, squared_error, params, GOOD, state
            ),
        )
        run = functools.partial(rules.batch_gradient, rule, CELL, squared_error)
        assert np.isfinite(jax.jit(run)(params, batches, state).loss)


@pytest.mark.parametrize("activation", ["tanh", "identity"])
def test_a_run_starts_from_a_plain_state_or_a_scaled_one(activation):
    cell = rnnjax.Vanilla(2, 3, 1, activation=rnnjax.activation_named(activation))
    params, x = cell.init(jax.random.key(0)), jnp.ones((1, 2))
    h = np.array([0.5, -2.0, 1.0])
    expected = cell.step(params, h, x[0])
    for start in (h, jnp.asarray(h), rnnjax.scaled.Scaled(jnp.asarray(h) / 4, jnp.int32(2))):
        run = rnnjax.unroll(cell, params, x, start)
        np.testing.assert_allclose(rnnjax.scaled.plain(run.states)[0], expected, rtol=1e-12)
    for start, got in ((h[:2], "float64(2,)"), ([1.0, 2.0, 3.0], "[1.0, 2.0, 3.0]"), (1.0, "1.0")):
        message = re.escape(f"start: expected a state of shape (3,), got {got}")
        with pytest.raises(ValueError, match=f"^{message}"):
            rnnjax.unroll(cell, params, x, start)
    with pytest.raises(ValueError, match=r"^start: expected a real state, got complex128"):
        rnnjax.unroll(cell, params, x, h * 1j)
