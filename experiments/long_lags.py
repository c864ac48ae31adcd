"""Do a cell that keeps and a modern optimiser learn the long lags of 1997 from fewer sequences?

Command:   rnnjax run long_lags
Run time:  about 4 minutes on 2 cores, compiling included.
Figure:    Left: sequences seen when training stops, by network; crosses: not solved. Right: squared
           error, median and 10 to 90 %. Dashed: mean of the first LSTM, where training ends here.
Source:    Hochreiter and Schmidhuber, Long short-term memory, Neural Computation, 1997, experiments
           6a (temporal order) and 4 (adding, T = 100); Tallec and Ollivier, Can recurrent neural
           networks warp time?, ICLR 2018 (chrono biases). There two blocks of two cells without
           forget gate learn from single sequences by truncated gradients; here gradients are whole,
           of batches. Training stops as there, when the last 2000 sequences were right with a small
           mean error; 2560 others are the test.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.lazy import jax, jnp, optax, xr
from rnnjax.reductions import at_best
from rnnjax.sweep import Traced, Variable

COMPILE = "quickly"
_PAPER = "Hochreiter and Schmidhuber 1997"
_LOOKS = {
    "vanilla": figures.Look("tanh", figures.GREY, "o"),
    "gru": figures.Look("GRU", figures.VERMILION, "^"),
    "lstm": figures.Look("LSTM", figures.BLUE, "s"),
}


class _Problem(NamedTuple):
    task: str  # its class
    published: int  # sequences, mean of the paper's runs
    wrong: int  # of 2560, mean of the paper's runs
    close: float  # how close an output must be
    small: float  # the mean error at which training may stop
    words: str


_PROBLEMS = {
    "temporal_order": _Problem("TemporalOrder1997", 31_390, 1, 0.3, 0.1, "temporal order"),
    "adding": _Problem("Adding1997", 74_000, 1, 0.04, 0.01, "adding"),
}


class Setting(sweep.Setting):
    """One network, and how long it is trained."""

    task: Literal["temporal_order", "adding"] = "temporal_order"
    cell: Literal["vanilla", "gru", "lstm"] = "lstm"
    learning_rate: PositiveFloat = Field(0.01, description="of Adam")
    seed: Traced[int] = Field(0, description="of weights and sequences")
    n_units: PositiveInt = Field(16, description="units")
    length: int = Field(100, ge=50, description="T; sequences are up to a tenth longer")
    batch_size: PositiveInt = Field(8, description="sequences of an update")
    n_points: PositiveInt = Field(80, description="points of a whole training")
    budget: sweep.Static[PositiveFloat] = Field(1.0, description="training, over the published one")
    streak: PositiveInt = Field(2000, description="sequences in a row that must be right")
    t_max: float = Field(100.0, gt=2, description="longest time of the chrono initialisation")
    max_norm: PositiveFloat = Field(1.0, description="norm to which gradients are clipped")
    n_tested: PositiveInt = Field(2560, description="fresh sequences of the test")
    axes = ("task", "cell", "learning_rate", "seed")


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Points of a training, as the share of it that is behind."""
    return {"point": (np.arange(setting.n_points) + 1) / setting.n_points}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    message = "of the sequences before the point; of the last ones where training has stopped"
    return {
        "n_sequences": Variable((), "sequences until it stopped", infinite="beyond"),
        "n_budget": Variable((), "sequences of a whole training"),
        "test_error": Variable((), "share of fresh sequences that are wrong"),
        "wrong": Variable(("point",), f"share that is wrong {message}"),
        "error": Variable(("point",), f"mean squared error {message}"),
    }


def _task(setting: Setting) -> rnnjax.types.Task:
    return getattr(rnnjax.tasks, _PROBLEMS[setting.task].task)(setting.length)


def shared(setting: Setting) -> dict[str, jax.Array]:
    """Keys and chrono biases of a seed, the same for every cell and at every learning rate."""
    keys = jax.random.split(jax.random.key(setting.seed), 3)
    biases = rnnjax.cells.chrono(keys[0], setting.n_units, setting.t_max)
    return {"biases": biases, "start": keys[1], "data": keys[2]}


def _network(setting: Setting, shared: dict) -> tuple:
    """Return a cell and its weights; what a gate of the LSTM keeps, it does not let in anew."""
    task, biases = _task(setting), shared["biases"]
    sizes, key = (task.n_x, setting.n_units, task.n_y), shared["start"]
    if setting.cell == "vanilla":
        return rnnjax.Vanilla(*sizes), rnnjax.Vanilla(*sizes).init(key)
    cell = {"lstm": rnnjax.LSTM, "gru": rnnjax.GRU}[setting.cell](*sizes, forget_bias=biases)
    params = cell.init(key)
    if setting.cell == "lstm":
        params = params._replace(b=params.b.at[: len(biases)].set(-biases))
    return cell, params


def _per_point(setting: Setting) -> int:
    """Return the updates between two points of the curve."""
    published = _PROBLEMS[setting.task].published
    return max(1, int(setting.budget * published / (setting.batch_size * setting.n_points)))


def measure(setting: Setting, shared: dict) -> dict[str, jax.Array]:
    """Train one network until it is right 2000 times in a row, and test it."""
    network, params = _network(setting, shared)
    trained, n, reached, seen = _trained(setting, network, params, shared["data"])
    per_point = setting.batch_size * _per_point(setting)
    fresh = _sequences(setting, jax.random.fold_in(shared["data"], 0), setting.n_tested)
    right = _answered(setting, network, trained, fresh)[1]["right"]
    return {
        "n_sequences": jnp.where(reached, n * float(per_point), jnp.inf),
        "n_budget": jnp.asarray(float(per_point * setting.n_points)),
        "test_error": jnp.mean(~right),
        "wrong": 1 - seen["right"],
        "error": seen["error"],
    }


def _sequences(setting: Setting, key: jax.Array, n: int) -> rnnjax.Batch:
    return jax.vmap(_task(setting).sample)(jax.random.split(key, n))


def _answered(
    setting: Setting, network: rnnjax.types.Cell, params: tuple, batch: rnnjax.Batch
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the mean loss of a batch, and of every sequence whether it is right and its error."""
    task, close = _task(setting), _PROBLEMS[setting.task].close

    def one(x, y, mask):
        h = rnnjax.unroll(network, params, x).states.value
        output, target = network.readout(params, h[jnp.argmax(mask)]), y[0]
        told = output if task.n_y == 1 else jax.nn.softmax(output)
        return task.loss(output, target), told - target

    loss, gaps = jax.vmap(one)(batch.x, batch.y, batch.mask)
    right = jnp.all(jnp.abs(gaps) < close, axis=1)
    return jnp.mean(loss), {"right": right, "error": jnp.mean(gaps**2, axis=1)}


def _trained(
    setting: Setting, network: rnnjax.types.Cell, params: tuple, key_data: jax.Array
) -> tuple:
    """Return weights, points passed, whether it was stopped as solved, and the curves."""
    clip, adam = optax.clip_by_global_norm(setting.max_norm), optax.adam(setting.learning_rate)
    optimiser = optax.chain(clip, adam)

    def update(carry, key):
        params, state, streak, level = carry
        batch = _sequences(setting, key, setting.batch_size)
        grad = jax.grad(lambda p: _answered(setting, network, p, batch), has_aux=True)
        slope, seen = grad(params)
        steps, state = optimiser.update(slope, state, params)
        # What is seen is of the weights before the update, so fresh sequences are a test as well.
        streak = jnp.where(jnp.all(seen["right"]), streak + setting.batch_size, 0)
        error = jnp.mean(seen["error"])
        level = jnp.where(jnp.isfinite(level), level, error)
        level = level + setting.batch_size / setting.streak * (error - level)
        means = jax.tree.map(lambda a: jnp.mean(a.astype(float)), seen)
        return (optax.apply_updates(params, steps), state, streak, level), means

    def solved(carry):
        return (carry[2] >= setting.streak) & (carry[3] < _PROBLEMS[setting.task].small)

    def to_next_point(carry, n):
        keys = jax.random.split(jax.random.fold_in(key_data, n + 1), _per_point(setting))
        carry, seen = jax.lax.scan(update, carry, keys)
        return carry, jax.tree.map(jnp.mean, seen), solved(carry)

    begin = (params, optimiser.init(params), jnp.int32(0), jnp.full((), jnp.inf))
    carry, n, curves = rnnjax.train_in_pieces(to_next_point, begin, n_pieces=setting.n_points)
    return carry[0], n, solved(carry), curves


def _at_best_rate(cube: xr.Dataset) -> xr.Dataset:
    seen = cube["n_sequences"].where(np.isfinite(cube["n_sequences"]), 2 * cube["n_budget"])
    return at_best(cube, seen.mean("seed"), "learning_rate")


def figure(cube: xr.Dataset) -> figures.Figure:
    """Sequences until solved by cell, beside the published count; errors over the sequences."""
    frame = figures.Frame(len(cube["task"]), 2, height=0.7 + 2.2 * len(cube["task"]))
    for (counts, errors), task in zip(frame.rows, cube["task"].values, strict=True):
        one, problem = _at_best_rate(cube).sel(task=task), _PROBLEMS[task]
        budget, published = float(one["n_budget"].max()) / 1000, problem.published / 1000
        told = {"title": problem.words, "xlabel": "sequences seen (thousands)", "looks": _LOOKS}
        told |= {"xlim": (0, 1.08 * max(budget, published))}
        figures.dot_rows(counts, one["n_sequences"] / 1000, rows="cell", beyond=budget,
                         count="solved", coloured=True, **told)  # fmt: skip
        error = one["error"].assign_coords(seen=one["point"] * budget)
        drawn = figures.curves(errors, error, over="seen", each="cell", band="seed", yscale="log",
                               line={"marker": ""}, ylabel="squared error", **told)  # fmt: skip
        figures.direct_labels(errors, drawn)
        dashed = {"x": published, "color": "black", "dashes": "--", "label": "first LSTM, 1997"}
        lines = [figures.level(panel, **dashed) for panel in (counts, errors)]
        errors.legend(handles=lines[1:], loc="center")
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """After how many sequences the cells solve the tasks, beside the first LSTM."""
    runs, told = _at_best_rate(cube), ""
    for cell in [cell for cell in reversed(_LOOKS) if cell in cube["cell"]]:
        words = (_solved(runs.sel(task=task, cell=cell)) for task in cube["task"].values)
        told += f"Sequences until solved by {_LOOKS[cell].label}: {', '.join(words)}. "
    return told.strip()


def _solved(one: xr.Dataset) -> str:
    n, problem = one["n_sequences"].values, _PROBLEMS[one["task"].item()]
    found = f"{n.mean():,.0f}" if np.isfinite(n).all() else f"{np.isfinite(n).sum()}/{n.size} runs"
    return f"{problem.words} {found} (1997: {problem.published:,})"


CLAIMS = (
    Row("{task}: share of wrong answers before the first point, least",
        lambda one: one["wrong"].isel(point=0).min(), at_least=0.375, for_each="task",
        source="chance is 3/4 of classes and more of values; half of it is learning"),
    Group((
        Group((
            Row("{task}, {cell}: sequences until solved, mean",
                lambda runs: runs["n_sequences"].mean(skipna=False), at_most="published",
                source=_PAPER + ": {published} with the first LSTM, mean of its runs"),
            Row("{task}, {cell}: wrong of {cube.setting.n_tested} in the test, mean",
                lambda runs: runs["test_error"].mean(skipna=False) * runs.setting.n_tested,
                at_most="wrong", tolerance=lambda runs: 0.005 * runs.setting.n_tested,
                source=_PAPER + ": {wrong} of 2560; tolerance: 0.5 % of the test"),
        ), for_each={"cell": ("lstm", "gru")}, reproduces=lambda runs, task, cell:
           f"{_PAPER}, experiment {'4' if task == 'adding' else '6a'}" if cell == "lstm" else ""),
        Row("{task}, tanh: networks that solve it, share",
            lambda runs: np.isfinite(runs["n_sequences"]).mean(), at={"cell": "vanilla"}, equals=0,
            source=f"{_PAPER}: lags beyond a conventional network; at the budget of the others"),
    ), part=_at_best_rate, when=lambda run: run.setting.length == 100 and run.setting.budget >= 1,
       for_each=lambda cube: [{**of._asdict(), "task": name} for name, of in _PROBLEMS.items()]),
)  # fmt: skip
