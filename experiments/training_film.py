"""What do spectrum, adjoint, horizon and alignments do while a network learns?

Command:   rnnjax run training_film
Run time:  about 3 minutes on 2 cores, compiling included.
Figure:    A clipped tanh network and an LSTM learn the temporal order. a: log10 ||dL/dh|| by lag,
           relative to lag 0, b: Lyapunov exponents, at six times; medians over seeds. Over updates,
           with 10 to 90 % of seeds: c: test accuracy, d: leading exponent (dashed: ln of the
           spectral radius), e: horizon, f: open directions of the product of Jacobians. g, h:
           cosine of rules' gradients with the exact one. i: turn of the leading direction a lag.
Source:    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
           ICML 2013 (the task); Vogt et al., On Lyapunov exponents for RNNs, Frontiers in Applied
           Mathematics and Statistics, 2022 (spectra while learning).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.figures import BLUE, THEORY, VERMILION, Look, rule_label
from rnnjax.lazy import jax, jnp, matplotlib, optax, xr
from rnnjax.reductions import evenly, largest, median
from rnnjax.sweep import RuleName, Traced, Variable

_PASCANU = "Pascanu, Mikolov and Bengio 2013"
_SETTLING = 50  # steps of the long sequence that are not counted
_RULES = {"RTRL": "#000000", "UORO": "#2f9e77", "SnAp": "#e08a1e",
          "EProp(autapse=False)": "#c2478f", "BPTT(window=3)": "#23408f"}  # fmt: skip
_CELLS = {"vanilla": Look("tanh", BLUE), "lstm": Look("LSTM", VERMILION)}


class Setting(sweep.Setting):
    """How large the network is, and how it is trained and looked at."""

    cell: Literal["vanilla", "lstm"] = "vanilla"
    seed: Traced[int] = 0
    n_state: int = Field(24, ge=2, description="state entries, even; two a cell of an LSTM")
    gain: PositiveFloat = Field(0.8, description="of the recurrent weights at the start")
    length: int = Field(30, ge=10, description="steps T of the temporal order")
    n_frames: PositiveInt = Field(16, description="looks at the network")
    every: PositiveInt = Field(50, description="updates from one to the next")
    batch_size: PositiveInt = Field(16, description="sequences in an update")
    learning_rate: PositiveFloat = Field(0.003, description="of Adam")
    max_norm: PositiveFloat = Field(1.0, description="clipping of the gradient's norm")
    n_seen: PositiveInt = Field(8, description="sequences over which adjoints are averaged")
    n_test: PositiveInt = Field(200, description="fresh sequences of the accuracy")
    n_long: int = Field(200, gt=_SETTLING, description="steps over which exponents are taken")
    n_draws: PositiveInt = Field(16, description="draws of a stochastic rule")
    rules: tuple[RuleName, ...] = Field(tuple(_RULES), description="rules compared with BPTT")
    axes = ("cell", "seed")


def coordinates(setting: Setting) -> dict[str, np.ndarray]:
    """Updates at the looks, lags, exponents and rules."""
    return {"update": np.arange(setting.n_frames) * setting.every,
            "lag": np.arange(setting.length + 1), "turn_lag": np.arange(1, setting.length),
            "index": np.arange(1, setting.n_state + 1),
            "rule": np.array(setting.rules)}  # fmt: skip


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    at = ("update",)
    return {
        **sweep.named("exponents", "mean_log_det", before=at),
        "loss": Variable(at, "mean loss of the updates that follow", "nat"),
        "accuracy": Variable(at, "share of fresh sequences that are classified right"),
        "log_norm": Variable((*at, "lag"), "mean over sequences of ln ||dL_T/dh_{T-lag}||", "nat"),
        "log_readout": Variable(at, "the same of V^T dl_T/dy_T", "nat"),
        "horizon": Variable(at, "lags until the mean fell by a decade; T if it does not", "step"),
        "log_radius": Variable(at, "ln of the spectral radius of W, or of an LSTM's rest Jacobian"),
        "log_condition": Variable(at, "ln s_1/s_n of dh_T/dh_{T/2}; inf where s_n is 0", "nat"),
        "participation": Variable(at, "participation ratio of its singular values"),
        "turn": Variable((*at, "turn_lag"), "turn of its leading direction in the next lag", "rad"),
        "cosine": Variable((*at, "rule"), "cosine with the exact gradient, recurrent weights"),
    }


def _network(setting: Setting) -> tuple[Any, Any]:
    """Return the cell and the task."""
    task, is_lstm = rnnjax.tasks.TemporalOrder(setting.length), setting.cell == "lstm"
    kind, n = rnnjax.LSTM if is_lstm else rnnjax.Vanilla, setting.n_state // (1 + is_lstm)
    return kind(task.n_x, n, task.n_y, gain=setting.gain), task


def shared(setting: Setting) -> dict[str, Any]:
    """Draw weights, sequences that are looked at, and the key of the training."""
    cell, task = _network(setting)
    keys = jax.random.split(jax.random.key(setting.seed), 5)
    return {"params": cell.init(keys[0]),
            "seen": jax.vmap(task.sample)(jax.random.split(keys[1], setting.n_seen)),
            "test": jax.vmap(task.sample)(jax.random.split(keys[2], setting.n_test)),
            "long": rnnjax.tasks.TemporalOrder(setting.n_long).sample(keys[3]),
            "key": keys[4]}  # fmt: skip


def measure(setting: Setting, shared: dict[str, Any]) -> dict[str, jax.Array]:
    """Train one network, and look at it before every so many updates."""
    cell, task = _network(setting)
    rules = {name: rnnjax.rules.named(name) for name in setting.rules}

    def look(*at: Any, states: Any = None) -> dict[str, jax.Array]:
        return _frame(setting, shared, at) | {"cosine": _cosines(setting, rules, states or {}, at)}

    optimiser = rnnjax.updates.clip_by_norm(setting.max_norm, optax.adam(setting.learning_rate))
    training = rnnjax.fit(
        cell, task, rnnjax.BPTT(), optimiser, shared["key"],
        n_updates=setting.n_frames * setting.every, batch_size=setting.batch_size, probe=look,
        every=setting.every, params=shared["params"],
        observers={name: rule for name, rule in rules.items() if rule.stochastic},
    )  # fmt: skip
    return {**training.probes, "loss": jnp.mean(training.loss.reshape(-1, setting.every), axis=1)}


def _frame(setting: Setting, shared: dict[str, Any], at: tuple[Any, ...]) -> dict[str, jax.Array]:
    """Look once at a network."""
    cell, loss, params, batch = at
    probes, test, along = rnnjax.probes, shared["test"], (cell, None, params, shared["long"])
    at_rest = jax.jacfwd(lambda h: cell.step(params, h, jnp.zeros(cell.n_x)))
    W = params.W if setting.cell == "vanilla" else at_rest(jnp.zeros(setting.n_state))

    def outputs(batch: rnnjax.Batch) -> jax.Array:
        return rnnjax.outputs(cell, params, batch.x)[-1]

    def of_one(batch: rnnjax.Batch) -> tuple[jax.Array, jax.Array]:
        """Return the adjoint norm by lag, and that at lag 0 by hand."""
        error = jax.grad(loss)(outputs(batch), batch.y[-1])
        by_lag = probes.log_norm_by_lag(cell, loss, params, batch)
        return by_lag["log_norm"], jnp.log(jnp.linalg.norm(params.V.T @ error))

    log_norm, log_readout = (jnp.mean(a, axis=0) for a in jax.vmap(of_one)(shared["seen"]))
    half = probes.log_singular_values(cell, None, params, batch, every=setting.length // 2)
    values, answers = half["log_singular_values"][0], jax.vmap(outputs)(test)
    return {
        "accuracy": jnp.mean(jnp.argmax(answers, -1) == jnp.argmax(test.y[:, -1], -1)),
        "exponents": probes.lyapunov_spectrum(*along, n_discarded=_SETTLING)["exponents"],
        **probes.mean_log_det(*along, n_discarded=_SETTLING),
        "log_norm": log_norm,
        "log_readout": log_readout,
        "horizon": jnp.minimum(rnnjax.analysis.horizon(log_norm, 1.0), setting.length),
        "log_radius": rnnjax.matrices.log_spectral_radius(W),
        "log_condition": values[0] - values[-1],
        "participation": rnnjax.matrices.participation_ratio(values),
        "turn": probes.leading_directions(cell, None, params, batch)["angle"],
    }


def _cosines(setting: Setting, rules: Any, states: Any, at: tuple[Any, ...]) -> jax.Array:
    """Return the cosine of every rule's gradient, mean over draws, with the exact one, (rule,)."""
    cell, _, params, batch = at
    gradient, found = rnnjax.rules.recurrent_gradient, []
    for name, rule in rules.items():
        state = states[name] if name in states else rule.init(cell, params, batch, None)
        draws = gradient(rule, *at, state, n_draws=setting.n_draws if rule.stochastic else 1)
        exact = gradient(rnnjax.BPTT(), *at, ())
        found.append(rnnjax.analysis.alignment_with(draws, exact)["cosine"])
    return jnp.stack(found)


def figure(cube: xr.Dataset) -> matplotlib.figure.Figure:
    """Strips of the gradient by lag and of the exponents, over curves."""
    shown, looks = evenly(cube, "update", 6), {name: _CELLS[name] for name in cube["cell"].values}
    widths = [(1,) * shown.sizes["update"]] * 2 + [(1,) * 4, (1,) * (len(looks) + 1)]
    frame = figures.Frame(widths=widths, height=7.6, height_ratios=[1.7, 1.6, 2.0, 2.2])
    _draw_strips(frame.rows[:2], shown)
    _draw_networks([*frame.rows[2], frame.rows[3][-1]], cube)
    cosine = median(cube["cosine"]).assign_coords(cell=[look.label for look in looks.values()])
    rules = figures.curves(
        frame.rows[3][:-1], cosine, over="update", each="rule", panels="cell", ylim=(-0.3, 1.05),
        looks={rule: Look(rule_label(rule), colour, dashes="--" if "EProp" in rule else "-")
               for rule, colour in _RULES.items()}, xlabel="updates", ylabel="cosine with BPTT",
    )  # fmt: skip
    cells = [*figures.handles(looks), Look(r"$\ln \rho$ (d)", THEORY, dashes="--").handle()]
    frame.panels = [frame.rows[0][0], frame.rows[1][0], *frame.rows[2], *frame.rows[3]]  # lettered
    return frame.finished([*cells, *rules])


def _draw_strips(rows: list[list[figures.Axes]], shown: xr.Dataset) -> None:
    shown = shown.assign_coords(update=[f"update {update}" for update in shown["update"].values])
    norms = median(shown["log_norm"] - shown["log_norm"].isel(lag=0)) / np.log(10)
    strips = ((norms, "lag", "lag (steps)", r"$\log_{10}\|\mathrm{d}L/\mathrm{d}h\|$"),
              (median(shown["exponents"]), "index", "exponent by size", "nat/step"))  # fmt: skip
    for strip, (values, over, x, y) in zip(rows, strips, strict=True):
        figures.curves(strip, values, over=over, each="cell", panels="update", looks=_CELLS,
                       ylim=(values.min(), values.max() + 0.1), xlabel=x, ylabel=y)  # fmt: skip
        for panel in strip[1:]:
            panel.tick_params(labelleft=figures.in_column())


def _draw_networks(panels: list[figures.Axes], cube: xr.Dataset) -> None:
    rows = (("test accuracy", cube["accuracy"]),
            (r"$\lambda_1$ (nat/step)", cube["exponents"].sel(index=1)),
            ("horizon (lags)", cube["horizon"]), ("directions left open", cube["participation"]),
            ("turn (rad)", cube["turn"][..., -5:].mean("turn_lag")))  # fmt: skip
    for k, (panel, (words, values)) in enumerate(zip(panels, rows, strict=True)):
        figures.curves(panel, values, over="update", each="cell", looks=_CELLS, band="seed",
                       theory={"": median(cube["log_radius"])} if k == 1 else {}, level=0,
                       xlabel="updates", ylabel=words)  # fmt: skip


def answer(cube: xr.Dataset) -> str:
    """Accuracy, leading exponent and horizon before and after the training of each cell."""
    ends = cube.isel(update=[0, -1], index=0)[["accuracy", "exponents", "horizon"]].median("seed")
    told = ("As the accuracy of {} goes from {:.2f} to {:.2f}, its leading exponent goes from "
            "{:.2f} to {:.2f}. Its horizon goes from {:g} to {:g} lags.")  # fmt: skip
    return " ".join(told.format(_CELLS[name].label, *ends.sel(cell=name).to_array().values.ravel())
                    for name in ends["cell"].values)  # fmt: skip


CLAIMS = (
    Row("sum of all exponents minus mean ln |det J|, nat/step, worst",
        lambda cube: largest(abs(cube["exponents"].sum("index") - cube["mean_log_det"]))
        / cube.sizes["index"], equals=0, tolerance=1e-4,
        source="exact for any QR decomposition; float32, per entry of the state"),
    Row("ln ||dL/dh|| at lag 0 minus that of V^T dl/dy, worst",
        lambda cube: largest(abs(cube["log_norm"].sel(lag=0) - cube["log_readout"])),
        equals=0, tolerance=1e-4, source="chain rule; float32"),
    Row("RTRL: cosine with BPTT minus 1, worst of all updates",
        lambda one: largest(abs(one["cosine"] - 1)), at={"rule": "RTRL"},
        equals=0, tolerance=1e-5, source="RTRL is exact (Williams, Zipser 1989)"),
    # Before the first and after the last update of a training that is long enough.
    Group((
        Row("{cell}: test accuracy at the end",
            lambda one: one["accuracy"].isel(update=-1).median(), at_least=0.9),
        Row("{cell}: horizon at the end over that at the start",
            lambda one: (one["horizon"].isel(update=-1) / one["horizon"].isel(update=0)).median(),
            at_least=1.5),
        Row("{cell}: |lambda_1| at the end minus at the start, nat/step",
            lambda one: abs(one["exponents"].isel(index=0)).diff("update").median(), at_most=-0.05),
        Group((
            Row("{cell}: spectral radius at the end, least of all seeds",
                lambda one: np.exp(one["log_radius"].isel(update=-1)).min(), at_least=1,
                source=f"{_PASCANU}: solutions have a radius above 1"),
            Row("{cell}: spectral radius at the end minus at the start, least",
                lambda one: np.exp(one["log_radius"]).diff("update").min(), at_least=0,
                source=f"{_PASCANU}: more memory goes with a larger spectral radius"),
        ), when=lambda one, cell: cell == "vanilla",
            reproduces=f"{_PASCANU}, memory and spectral radius"),
        Row("{cell}: cosine of BPTT over 3 steps, change from start to end",
            lambda one: one["cosine"].median("seed").diff("update"), at_most=-0.1,
            at={"rule": "BPTT(window=3)"}),
    ), for_each="cell", part=lambda one: one.isel(update=[0, -1]),
        when=lambda one: one["update"].values[-1] >= 500,
        source=f"{_PASCANU}: memory has to be built; the margin was set before the sweep ran"),
)  # fmt: skip
