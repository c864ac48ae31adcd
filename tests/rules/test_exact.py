"""Exact rules on every cell and every task."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

import rnnjax
from rnnjax import rules, scaled
from tests.cells import own_tests
from tests.cells.agreement import drawn_params
from tests.discovery import cells_found, tasks_found

T = 12
TASKS = {name: task() for name, task in tasks_found().items()}
# All tasks in one program: inputs and targets are filled up to the size of the widest.
N_X, N_Y = (max(getattr(task, n) for task in TASKS.values()) for n in ("n_x", "n_y"))


@struct.dataclass
class WideChain(rnnjax.Chain):
    """A chain with as many outputs as the tasks want, all but the first of which are 0."""

    n_y = N_Y

    def readout(self, params, h):
        return jnp.zeros(N_Y, h.dtype).at[:1].set(super().readout(params, h))


CELLS = cells_found(n_x=N_X, n_y=N_Y, n_h=3, n_units=2, n_hidden=2)
CELLS["Chain"] = WideChain(CELLS["Chain"].n_x, gain=1.1)
EXACT = {"RTRL": rules.RTRL(), "BPTT": rules.BPTT()}


def _ends(tasks):
    """The last steps of a sequence of each of these tasks, leaves (task, T, ...)."""

    def end(task):
        batch = jax.jit(task.sample)(jax.random.key(3))
        x, y, mask = (np.asarray(a[-T:], float) for a in (batch.x, batch.y, batch.mask))
        # A task of fewer steps stands still before its first.
        early = T - len(x)
        x, y = (np.pad(a, ((early, 0), (0, n - a.shape[1]))) for a, n in ((x, N_X), (y, N_Y)))
        return rnnjax.Batch(x, y, np.pad(mask, (early, 0)))

    return jax.tree.map(lambda *a: jnp.stack(a), *[end(TASKS[name]) for name in tasks])


def _loss(name):
    """Loss and gradient of a task, outputs and targets filled up."""
    task = TASKS[name]
    return jax.value_and_grad(lambda y_hat, y: task.loss(y_hat[: task.n_y], y[: task.n_y]))


@functools.cache
def branches(tasks):
    """The losses of tasks, each program among them once, and the number of that of each task."""
    y, of_program, numbers = np.zeros(N_Y), {}, []
    for name in tasks:
        program = jax.make_jaxpr(_loss(name))(y, y)
        told = (str(program), *(np.asarray(a).tobytes() for a in program.consts))
        of_program.setdefault(told, jax.jit(_loss(name)))
        numbers.append([*of_program].index(told))
    return [*of_program.values()], np.array(numbers)


def loss_of(tasks, number):
    """The loss of one step of the task of this number among `tasks`, which may be traced.

    Value and gradient come from one choice among the tasks: differentiating it would make two.
    """

    losses, numbers = branches(tuple(tasks))

    @jax.custom_vjp
    def wide_loss(y_hat, y):
        return both(y_hat, y)[0]

    def both(y_hat, y):
        return jax.lax.switch(jnp.asarray(numbers)[number], losses, y_hat, y)

    wide_loss.defvjp(both, lambda gradient, g: (g * gradient, jnp.zeros(N_Y)))

    return wide_loss


# Three tasks for each cell. Of these tests/cells/test_contract.py has the gradient in the same run:
ELSEWHERE = ["Vanilla", "Vanilla-relu", "LSTM", "LRU"]
# And these differ from another by a part that has a test of its own.
RELATIVES = [
    "Jordan-one-feedback",
    "Stack-LSTM-LRU",
    "Stack-relu",
    "Vanilla-gelu",
    "Vanilla-leak",
    "nnx.LSTMCell",
]
# Products forward are those of GRU for all cells whose tangent is made by JAX.
BY_JAX = ["linen.GRUCell", "trained nnx.GRUCell", "MinimalGated", "ProjectedLSTM", "ResetBeforeGRU"]
WITHOUT = {*ELSEWHERE, *RELATIVES, *own_tests.NAMES}
TRIPLES = [
    pytest.param(name, [list(TASKS)[(3 * i + j) % len(TASKS)] for j in range(3)], id=name)
    for i, name in enumerate(n for n in CELLS if n not in WITHOUT)
]
# In the files of these cells RTRL stands for another cell of the same tangent.
IN_OTHER_FILES = ["S6", "GatedDeltaNet", "MinimalRNN", "ALIF"]
LATER = [triple.values for triple in TRIPLES if triple.values[0] in BY_JAX[2:]]
LATER += [(name, ["AddTask"]) for name in IN_OTHER_FILES]


SHARED = [name for name in CELLS if name not in own_tests.NAMES]


def test_every_task_has_its_turn():
    assert {task for triple in TRIPLES for task in triple.values[1]} == set(TASKS)


@pytest.mark.parametrize(("name", "tasks"), TRIPLES)
def test_exact_rules_are_jax_grad_of_three_tasks(name, tasks):
    assert_exact_of_few(name, tasks, ["BPTT"] if name in BY_JAX else EXACT)


@pytest.mark.wide
@pytest.mark.parametrize(("name", "tasks"), LATER)
def test_rtrl_is_jax_grad_of_the_other_cells(name, tasks):
    assert_exact_of_few(name, tasks, ["RTRL"])


def assert_exact_of_few(name, tasks, used):
    """The losses of the tasks are added; a rule cannot tell numbers from those of a task."""
    cell = CELLS[name]
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((T, cell.n_x)), rng.uniform(size=(T, N_Y))
    batch = rnnjax.Batch(x, y, np.where(np.arange(T) % 3, x[:, 0] ** 2, 0))

    def loss(y_hat, y):
        sizes = {task: TASKS[task].n_y for task in tasks}
        return sum(TASKS[task].loss(y_hat[:n], y[:n]) for task, n in sizes.items())

    run = jax.jit(lambda params, batch: gradients(cell, loss, params, batch, used))
    oracle, found = jax.tree.map(np.asarray, run(drawn_params(cell, 0.5), batch))
    assert sum(np.abs(leaf).sum() for leaf in jax.tree.leaves(oracle)) > 0
    for rule, got in found.items():
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(oracle), strict=True):
            assert np.abs(a - b).max() <= 1e-12 * max(np.abs(b).max(), 1e-3), rule


# Of the others there are three tasks above.
WIDELY = ["Vanilla", "LSTM", "LRU", "Jordan-one-feedback", "Stack-relu"]


def marked(name):
    return pytest.param(name, marks=pytest.mark.wide if name in WIDELY else pytest.mark.slow)


@pytest.mark.parametrize("name", [marked(name) for name in SHARED])
def test_exact_rules_are_jax_grad(name):
    assert_exact(CELLS[name], list(TASKS))


def gradients(cell, loss, params, batch, used):
    """By automatic differentiation, and by each of the rules."""
    oracle = jax.grad(lambda p: rnnjax.sequence_loss(cell, loss, p, batch))(params)
    rules = {name: EXACT[name] for name in used}
    found = {
        name: rule(cell, loss, params, batch, rule.init(cell, params, batch)).grads
        for name, rule in rules.items()
    }
    return oracle, {name: scaled.plain(grads) for name, grads in found.items()}


def assert_exact(cell, tasks):
    batches = _ends(tasks)

    @jax.jit
    def run(key):
        params = cell.init(key)

        def one(number, batch):
            batch = batch.replace(x=batch.x[:, : cell.n_x])
            return gradients(cell, loss_of(tasks, number), params, batch, EXACT)

        return jax.lax.map(lambda at: one(*at), (jnp.arange(len(tasks)), batches))

    oracle, found = run(jax.random.key(5))
    size = sum(np.abs(leaf).reshape(len(tasks), -1).sum(1) for leaf in jax.tree.leaves(oracle))
    assert np.all(size > 0)
    for rule_name, got in found.items():
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(oracle), strict=True):
            a, b = (np.asarray(v).reshape(len(tasks), -1) for v in (a, b))
            gap = np.abs(a - b).max(1) / np.maximum(np.abs(b).max(1), 1e-3)
            told = [f"{t} {g:.1e}" for t, g in zip(tasks, gap, strict=True) if not g <= 1e-12]
            assert not told, f"{rule_name}: {told}"
