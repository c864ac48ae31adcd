"""Do a cell that keeps and a modern optimiser learn the long lags of 1997 from fewer sequences?

Command:   rnnjax run long_lags
Run time:  about 4 minutes on 2 cores, compiling included.
Figure:    a, c: sequences that a network has seen when it is stopped, a point a network: LSTM, GRU
           and a vanilla network with tanh, trained by Adam, and the mean that was published for the
           first LSTM (dashed), which is all the training that there is here. Crosses: not solved.
           b, d: error over the sequences seen, median and band.
Source:    Hochreiter and Schmidhuber, Long short-term memory, Neural Computation, 1997, experiments
           6a (temporal order) and 4 (adding, T = 100); Tallec and Ollivier, Can recurrent neural
           networks warp time?, ICLR 2018 (chrono, the start of the gates' biases). There the cells
           have no forget gate, stand in two blocks of two, and are trained sequence by sequence
           with truncated gradients; here sequences come in batches and gradients are whole. As
           there training stops when the last 2000 sequences were right (checked at every point of
           the curve) and their mean error is small, and 2560 other sequences are the test.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.lazy import jax, jnp, optax
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
    sample: Callable  # (key, T) -> Batch of one sequence
    n_x: int
    n_y: int
    published: int  # sequences, mean of the paper's runs
    wrong: int  # of 2560, mean of the paper's runs
    close: float  # how close an output must be
    small: float  # the mean error at which training may stop
    words: str


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


def coordinates(setting):
    """Points of a training, as the share of it that is behind."""
    return {"point": (np.arange(setting.n_points) + 1) / setting.n_points}


def variables(setting):
    """What is measured in every cell of the sweep."""
    told = "of the sequences before the point; of the last ones where training has stopped"
    return {
        "n_sequences": Variable((), "sequences until it stopped", "1", infinite="beyond"),
        "n_budget": Variable((), "sequences of a whole training", "1"),
        "test_error": Variable((), "share of fresh sequences that are wrong", "1"),
        "wrong": Variable(("point",), f"share that is wrong {told}", "1"),
        "error": Variable(("point",), f"mean squared error {told}", "1"),
    }


def _ordered(key, T):
    """Draw a sequence of experiment 6a: X or Y at two steps among a, b, c, d; E first, B last."""
    keys = jax.random.split(key, 4)
    length = jax.random.randint(keys[0], (), T, T + T // 10 + 1)
    symbols = jax.random.randint(keys[1], (2,), 0, 2)
    places = jax.random.randint(keys[2], (2,), jnp.array([T // 10, T // 2]),
                                jnp.array([T // 5, 6 * T // 10]) + 1)  # fmt: skip
    shown = jax.random.randint(keys[3], (T + T // 10,), 2, 6).at[places].set(symbols)
    shown = shown.at[0].set(6).at[length - 1].set(7)
    answer = jax.nn.one_hot(2 * symbols[0] + symbols[1], 4)
    return _due_at(length, jax.nn.one_hot(shown, 8), answer)


def _added(key, T):
    """Draw a sequence of experiment 4: two marked values in [-1, 1], the target .5 + their sum / 4.

    The marks stand among the first ten steps and in the first half; those at both ends are -1.
    """
    keys = jax.random.split(key, 4)
    length = jax.random.randint(keys[0], (), T, T + T // 10 + 1)
    values = jax.random.uniform(keys[1], (T + T // 10,), minval=-1.0, maxval=1.0)
    first = jax.random.randint(keys[2], (), 0, 10)
    second = jax.random.randint(keys[3], (), 0, T // 2 - 2)
    second = second + (second >= first)
    # A marked value at the start does not count.
    values = jnp.where(
        (jnp.minimum(first, second) == 0) & (jnp.arange(len(values)) == 0), 0, values
    )
    marks = jnp.zeros_like(values).at[jnp.stack([first, second])].set(1.0)
    marks = marks.at[0].set(-1.0).at[length - 1].set(-1.0)
    target = 0.5 + (values[first] + values[second]) / 4
    return _due_at(length, jnp.stack([values, marks], axis=1), target[None])


def _due_at(length, x, y):
    """Return a sequence whose one answer is due at its end; what is behind it does not count."""
    T = len(x)
    mask = (jnp.arange(T) == length - 1).astype(float)
    return rnnjax.Batch(x, jnp.broadcast_to(y[None], (T, *y.shape)), mask)


_PROBLEMS = {
    "temporal_order": _Problem(_ordered, 8, 4, 31_390, 1, 0.3, 0.1, "temporal order"),
    "adding": _Problem(_added, 2, 1, 74_000, 1, 0.04, 0.01, "adding"),
}


def shared(setting):
    """Keys and chrono biases of a seed, the same for every cell and at every learning rate."""
    keys = jax.random.split(jax.random.key(setting.seed), 3)
    biases = rnnjax.cells.chrono(keys[0], setting.n_units, setting.t_max)
    return {"biases": biases, "start": keys[1], "data": keys[2]}


def _cell(setting, biases):
    problem = _PROBLEMS[setting.task]
    sizes = (problem.n_x, setting.n_units, problem.n_y)
    if setting.cell == "vanilla":
        return rnnjax.Vanilla(*sizes)
    return {"lstm": rnnjax.LSTM, "gru": rnnjax.GRU}[setting.cell](*sizes, forget_bias=biases)


def _start(network, shared):
    """Draw weights; what a gate of the LSTM is to keep, that for new input does not let in."""
    params, biases = network.init(shared["start"]), shared["biases"]
    if not isinstance(network, rnnjax.LSTM):
        return params
    return params._replace(b=params.b.at[: len(biases)].set(-biases))


def _per_point(setting):
    """Return the updates between two points of the curve."""
    published = _PROBLEMS[setting.task].published
    return max(1, int(setting.budget * published / (setting.batch_size * setting.n_points)))


def measure(setting, shared):
    """Train one network until it is right 2000 times in a row, and test it."""
    network = _cell(setting, shared["biases"])
    trained, n, reached, seen = _trained(setting, network, shared)
    per_point = setting.batch_size * _per_point(setting)
    batch = _sequences(setting, jax.random.fold_in(shared["data"], 0), setting.n_tested)
    right = _answered(network, _PROBLEMS[setting.task], trained, batch)[1]["right"]
    held = jnp.minimum(jnp.arange(setting.n_points), n - 1)
    return {
        "n_sequences": jnp.where(reached, n * float(per_point), jnp.inf),
        "n_budget": jnp.asarray(float(per_point * setting.n_points)),
        "test_error": jnp.mean(~right),
        "wrong": 1 - seen["right"][held],
        "error": seen["error"][held],
    }


def _sequences(setting, key, n):
    sample = _PROBLEMS[setting.task].sample
    return jax.vmap(lambda key: sample(key, setting.length))(jax.random.split(key, n))


def _answered(network, problem, params, batch):
    """Return the mean loss of a batch, and of every sequence whether it is right and its error."""

    def one(x, y, mask):
        h = rnnjax.unroll(network, params, x).states.value
        answer, target = network.readout(params, h[jnp.argmax(mask)]), y[0]
        if problem.n_y == 1:
            return rnnjax.losses.squared_error(answer, target), answer - target
        return rnnjax.losses.cross_entropy(answer, target), jax.nn.softmax(answer) - target

    loss, gaps = jax.vmap(one)(batch.x, batch.y, batch.mask)
    right = jnp.all(jnp.abs(gaps) < problem.close, axis=1)
    return jnp.mean(loss), {"right": right, "error": jnp.mean(gaps**2, axis=1)}


def _trained(setting, network, shared):
    """Return weights, points passed, whether it was stopped as solved, and the curves."""
    clip = optax.clip_by_global_norm(setting.max_norm)
    optimiser = optax.chain(clip, optax.adam(setting.learning_rate))
    problem, batch_size = _PROBLEMS[setting.task], setting.batch_size

    def update(carry, key):
        params, state, streak, level = carry
        batch = _sequences(setting, key, batch_size)
        grad = jax.grad(lambda p: _answered(network, problem, p, batch), has_aux=True)
        slope, seen = grad(params)
        steps, state = optimiser.update(slope, state, params)
        # What is seen is of the weights before the update, so fresh sequences are a test as well.
        streak = jnp.where(jnp.all(seen["right"]), streak + batch_size, 0)
        error = jnp.mean(seen["error"])
        level = jnp.where(jnp.isfinite(level), level, error)
        level = level + batch_size / setting.streak * (error - level)
        means = jax.tree.map(lambda a: jnp.mean(a.astype(float)), seen)
        return (optax.apply_updates(params, steps), state, streak, level), means

    def to_next_point(state):
        carry, n, curves = state
        keys = jax.random.split(jax.random.fold_in(shared["data"], n + 1), _per_point(setting))
        carry, seen = jax.lax.scan(update, carry, keys)
        curves = {name: curve.at[n].set(jnp.mean(seen[name])) for name, curve in curves.items()}
        return carry, n + 1, curves

    def solved(carry):
        return (carry[2] >= setting.streak) & (carry[3] < problem.small)

    def goes_on(state):
        return (state[1] < setting.n_points) & ~solved(state[0])

    params = _start(network, shared)
    begin = (params, optimiser.init(params), jnp.int32(0), jnp.full((), jnp.inf))
    curves = {name: jnp.zeros(setting.n_points) for name in ("right", "error")}
    carry, n, curves = jax.lax.while_loop(goes_on, to_next_point, (begin, jnp.int32(0), curves))
    return carry[0], n, solved(carry), curves


def _at_best_rate(cube):
    """Return the runs of each cell at the rate with most solved, then fewest sequences."""
    n = cube["n_sequences"]
    seen = n.where(np.isfinite(n), 2 * cube["n_budget"])
    return at_best(cube, seen.mean("seed"), "learning_rate")


def figure(cube):
    """Sequences until solved by cell, beside the published count; errors over the sequences."""
    runs = _at_best_rate(cube)
    frame = figures.Frame(cube.sizes["task"], 2, height=0.7 + 2.2 * cube.sizes["task"])
    for (counts, errors), task in zip(frame.rows, cube["task"].values, strict=True):
        one, problem = runs.sel(task=task), _PROBLEMS[task]
        budget, published = float(one["n_budget"].max()) / 1000, problem.published / 1000
        told = {"title": problem.words, "xlim": (0, 1.08 * max(budget, published))}
        figures.dot_rows(
            counts, one["n_sequences"] / 1000, rows="cell", looks=_LOOKS, beyond=budget,
            count="solved", xlabel="sequences until solved (thousands)", **told,
        )  # fmt: skip
        figures.curves(
            errors, one["error"].assign_coords(seen=one["point"] * budget), over="seen",
            each="cell", band="seed", looks=_LOOKS, line={"marker": ""}, yscale="log",
            xlabel="sequences seen (thousands)", ylabel="mean squared error", **told,
        )  # fmt: skip
        for panel in (counts, errors):
            figures.level(panel, x=published, color="black", dashes="--", label="first LSTM, 1997")
        errors.legend(loc="center")
    return frame.finished()


def _problems(cube):
    return [{"task": task, **problem._asdict()} for task, problem in _PROBLEMS.items()]


def _experiment(runs, task, cell):
    """Return the experiment of the paper; its cell is the LSTM."""
    number = {"temporal_order": "6a", "adding": "4"}[task]
    return f"{_PAPER}, experiment {number}" if cell == "lstm" else ""


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
        ), for_each={"cell": ("lstm", "gru")}, reproduces=_experiment),
        Row("{task}, tanh: networks that solve it, share",
            lambda runs: np.isfinite(runs["n_sequences"]).mean(), at={"cell": "vanilla"}, equals=0,
            source=f"{_PAPER}: lags beyond a conventional network; at the budget of the others"),
    ), part=_at_best_rate, for_each=_problems,
       when=lambda runs: runs.setting.length == 100 and runs.setting.budget >= 1),
)  # fmt: skip
