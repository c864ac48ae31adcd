"""What do spectrum, adjoint, horizon and alignments do while a network learns?

Command:   rnnjax run training_film
Run time:  about 3 minutes on 2 cores, compiling included.
Figure:    A film strip: a clipped tanh network (top) and an LSTM (second row) learn the temporal
           order; each frame shows ln ||dL/dh|| by lag (relative to lag 0, median over seeds) and,
           in the same frame, the Lyapunov exponents (grey, upper axis). Below, over updates: test
           accuracy; leading exponent and ln of the spectral radius; horizon; cosine of other rules'
           gradients with the exact one; directions that the product of Jacobians leaves open, and
           the angle by which its leading singular direction turns from lag to lag.
Source:    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
           ICML 2013 (the task; more memory goes with a larger spectral radius); Vogt, Puelma
           Touzel, Shlizerman and Lajoie, On Lyapunov exponents for RNNs, Frontiers in Applied
           Mathematics and Statistics, 2022 (spectra while learning). Here T = 30 and Adam.
"""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, Static, Variable

_PASCANU = "Pascanu, Mikolov and Bengio 2013"
_SETTLING = 50  # steps of the long sequence that are not counted
_LEARNED = 0.9  # test accuracy
_LONG_ENOUGH = 500  # updates from which claims on learning are made
_WINDOW = 3  # steps of the truncated gradient
_RULES = {
    "rtrl": ("RTRL", "#000000"),
    "uoro": ("UORO, mean", "#2f9e77"),
    "snap1": ("SnAp-1", "#e08a1e"),
    "eprop": ("e-prop", "#c2478f"),
    "truncated": (f"BPTT, {_WINDOW} steps", "#23408f"),
}
_CELLS = {"vanilla": "tanh", "lstm": "LSTM"}
_COLOURS = {"vanilla": "#0072B2", "lstm": "#D55E00"}
REPRODUCES = {"vanilla: spectral radius": f"{_PASCANU}, memory and spectral radius"}


def _known(names):
    """Refuse rules that are not there."""
    unknown = [name for name in names if name not in _RULES]
    if unknown:
        raise ValueError(f"expected rules of {', '.join(_RULES)}, got {unknown[0]!r}")
    return names


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    cell: Static[Literal["vanilla", "lstm"]]
    seed: Lane[int]


class Config(BaseConfig):
    """How large the networks are, and how they are trained and looked at."""

    axes: Axes
    n_state: int = Field(
        24, ge=2, description="state entries, even; an LSTM has half as many cells"
    )
    gain: PositiveFloat = Field(0.8, description="of the recurrent weights at the start")
    length: int = Field(30, ge=10, description="steps T of the temporal order")
    n_frames: PositiveInt = Field(16, description="looks at the network")
    every: PositiveInt = Field(50, description="updates from one to the next")
    batch_size: PositiveInt = Field(16, description="sequences in an update")
    rate: PositiveFloat = Field(0.003, description="learning rate of Adam")
    threshold: PositiveFloat = Field(1.0, description="clipping of the gradient's norm")
    n_seen: PositiveInt = Field(8, description="sequences over which adjoints are averaged")
    n_test: PositiveInt = Field(200, description="fresh sequences of the accuracy")
    n_long: int = Field(200, gt=_SETTLING, description="steps over which exponents are taken")
    n_draws: PositiveInt = Field(16, description="draws of UORO")
    rules: Annotated[tuple[str, ...], AfterValidator(_known)] = Field(
        tuple(_RULES), description="rules compared with BPTT"
    )


def coordinates(config):
    """Updates at the looks, lags, exponents and rules."""
    return {
        "update": np.arange(config.n_frames) * config.every,
        "lag": np.arange(config.length + 1),
        "turn_lag": np.arange(1, config.length),
        "index": np.arange(1, config.n_state + 1),
        "rule": np.array(config.rules),
    }


def variables(config):
    """What is measured in every cell of the sweep."""
    at, rate = ("update",), "nat/step"
    return {
        "loss": Variable(at, "mean loss of the updates that follow", "nat"),
        "accuracy": Variable(at, "share of fresh sequences that are classified right"),
        "exponents": Variable(
            (*at, "index"), "Lyapunov exponents on a long sequence, descending", rate
        ),
        "mean_log_det": Variable(at, "mean of ln |det J_t| on the same steps", rate),
        "log_norm": Variable((*at, "lag"), "mean over sequences of ln ||dL_T/dh_{T-lag}||", "nat"),
        "log_readout": Variable(at, "the same of V^T dl_T/dy_T", "nat"),
        "horizon": Variable(at, "lags until the mean fell by a decade; T if it does not", "step"),
        "log_radius": Variable(
            at, "ln of the spectral radius of W (vanilla) or of the Jacobian at rest (LSTM)"
        ),
        "log_condition": Variable(at, "ln s_1/s_n of dh_T/dh_{T/2}; inf where s_n is 0", "nat"),
        "participation": Variable(at, "participation ratio of its singular values"),
        "turn": Variable(
            (*at, "turn_lag"), "angle of its leading direction from lag to lag + 1", "rad"
        ),
        "cosine": Variable((*at, "rule"), "cosine with the exact gradient, recurrent weights"),
    }


def _parts(config, name):
    """Return the cell and the task."""
    task, n = rnnjax.tasks.TemporalOrder(config.length), config.n_state
    if name == "lstm":
        return rnnjax.LSTM(task.n_x, n // 2, task.n_y, gain=config.gain), task
    return rnnjax.Vanilla(task.n_x, n, task.n_y, gain=config.gain), task


def _rule(config, name):
    rules = rnnjax.rules
    return {
        "rtrl": lambda: rules.RTRL(),
        "uoro": lambda: rules.UORO(),
        "snap1": lambda: rules.SnAp(1),
        "eprop": lambda: rules.EProp(autapse=False),
        "truncated": lambda: rules.BPTT(window=_WINDOW),
    }[name]()


def draw(config, seed, cell):
    """Draw weights, sequences that are looked at, and the key of the training."""
    import jax
    from jax import random

    network, task = _parts(config, cell)
    keys = random.split(random.key(seed), 5)
    return {
        "params": network.init(keys[0]),
        "seen": jax.vmap(task.sample)(random.split(keys[1], config.n_seen)),
        "test": jax.vmap(task.sample)(random.split(keys[2], config.n_test)),
        "long": rnnjax.tasks.TemporalOrder(config.n_long).sample(keys[3]),
        "key": keys[4],
    }


def measure(config, drawn, cell):
    """Train one network, and look at it before every so many updates."""
    import optax
    from jax import numpy as jnp

    network, task = _parts(config, cell)

    def look(network, loss, params, batch, states=None):
        return _frame(config, network, loss, params, batch, states or {}, drawn)

    training = rnnjax.fit(
        network,
        task,
        rnnjax.BPTT(),
        rnnjax.updates.clip_by_norm(config.threshold, optax.adam(config.rate)),
        drawn["key"],
        n_updates=config.n_frames * config.every,
        batch_size=config.batch_size,
        probe=look,
        every=config.every,
        params=drawn["params"],
        passengers={name: _rule(config, name) for name in config.rules if name == "uoro"},
    )
    loss = jnp.mean(training.loss.reshape(config.n_frames, config.every), axis=1)
    return {**training.probes, "loss": loss}


def _frame(config, cell, loss, params, batch, states, drawn):
    """Look once at a network."""
    import jax
    from jax import numpy as jnp

    probes, seen = rnnjax.probes, drawn["seen"]
    log_norms = jax.vmap(lambda b: probes.log_norm_by_lag(cell, loss, params, b)["log_norm"])(seen)
    log_norm = jnp.mean(log_norms, axis=0)
    horizon = jnp.minimum(probes.horizon(log_norm, 1.0), config.length)
    spectrum = probes.lyapunov_spectrum(cell, None, params, drawn["long"], n_discarded=_SETTLING)[
        "exponents"
    ]
    half = config.length // 2
    singular = probes.log_singular_values(cell, None, params, batch, every=half)
    values = singular["log_singular_values"][0]
    return {
        "accuracy": _accuracy(cell, params, drawn["test"]),
        "exponents": spectrum,
        "mean_log_det": _mean_log_det(cell, params, drawn["long"]),
        "log_norm": log_norm,
        "log_readout": jnp.mean(jax.vmap(lambda b: _at_the_end(cell, loss, params, b))(seen)),
        "horizon": horizon,
        "log_radius": _log_radius(config, cell, params),
        "log_condition": values[0] - values[-1],
        "participation": rnnjax.matrices.participation_ratio(values),
        "turn": probes.leading_directions(cell, None, params, batch)["angle"],
        "cosine": _cosines(config, cell, loss, params, batch, states),
    }


def _outputs(cell, params, batch):
    """Return the outputs of the last step."""
    states = rnnjax.scaled.plain(rnnjax.unroll(cell, params, batch.x).states)
    return cell.readout(params, states[-1])


def _accuracy(cell, params, test):
    import jax
    from jax import numpy as jnp

    outputs = jax.vmap(lambda b: _outputs(cell, params, b))(test)
    return jnp.mean(jnp.argmax(outputs, -1) == jnp.argmax(test.y[:, -1], -1))


def _at_the_end(cell, loss, params, batch):
    """Return ln ||V^T dl/dy|| at the last step, by hand."""
    import jax
    from jax import numpy as jnp

    error = jax.grad(loss)(_outputs(cell, params, batch), batch.y[-1])
    return jnp.log(jnp.linalg.norm(params.V.T @ error))


def _mean_log_det(cell, params, batch):
    """Return the mean of ln |det J_t|, each Jacobian by itself."""
    import jax
    from jax import numpy as jnp

    trajectory = rnnjax.unroll(cell, params, batch.x)

    def one(at):
        point = rnnjax.scan.point(cell, params, at)
        J = rnnjax.tangents.linearize(cell, params, point, by_row=True).as_matrix()
        return jnp.sum(rnnjax.matrices.graded_qr(rnnjax.tangents.at_rows(J))[1])

    logs = jax.lax.map(one, trajectory)
    return jnp.mean(logs[_SETTLING:])


def _log_radius(config, cell, params):
    from jax import numpy as jnp

    if isinstance(cell, rnnjax.Vanilla):
        return rnnjax.matrices.log_spectral_radius(params.W)
    import jax

    rest = jnp.zeros(config.n_state)
    J = jax.jacfwd(lambda h: cell.step(params, h, jnp.zeros(cell.n_x)))(rest)
    return rnnjax.matrices.log_spectral_radius(J)


def _cosines(config, cell, loss, params, batch, states):
    """Return the cosine of every rule's gradient, mean over draws, with the exact one, (rule,)."""
    from jax import numpy as jnp

    probes = rnnjax.probes

    def gradient(rule, state, n_draws=1):
        return probes.recurrent_gradient(rule, cell, loss, params, batch, state, n_draws=n_draws)

    exact, found = gradient(rnnjax.BPTT(), ()), []
    for name in config.rules:
        rule = _rule(config, name)
        state = states[name] if name in states else rule.init(cell, params, batch, None)
        draws = gradient(rule, state, config.n_draws if rule.stochastic else 1)
        found.append(probes.versus(draws, exact)["cosine"])
    return jnp.stack(found)


def figure(cube):
    """A film strip over curves."""
    from matplotlib.figure import Figure

    cells = [name for name in _CELLS if name in cube["cell"].values]
    frames = np.unique(np.linspace(0, cube.sizes["update"] - 1, 6).astype(int))
    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 1.35 * len(cells) + 5.2))
    # Two parts, so that the columns of neither follow those of the other.
    film, curves = drawn.subfigures(2, 1, height_ratios=[1.35 * len(cells), 5.2])
    strips = film.subplots(len(cells), len(frames), squeeze=False)
    for name, strip in zip(cells, strips, strict=True):
        _draw_strip(strip, cube.sel(cell=name), frames, name)
    panels = list(curves.subplots(2, 3).flat)
    _draw_curves(panels, cube, cells)
    if len(cells) == 1:
        panels.pop(4).remove()
    rnnjax.figures.letter_panels([*strips[:, 0], *panels])
    return drawn


def _draw_strip(strip, one, frames, name):
    lag, exponents = one["lag"].values, one["exponents"].median("seed").transpose("update", "index")
    norms = one["log_norm"].median("seed").transpose("update", "lag").values / math.log(10)
    norms = norms - norms[:, :1]
    low, high = norms[frames].min() - 0.3, norms[frames].max() + 0.3
    least = float(exponents.values[frames].min())
    for i, (ax, frame) in enumerate(zip(strip, frames, strict=True)):
        above = ax.twiny()
        above.hlines(
            np.linspace(high, low, exponents.sizes["index"]), least, exponents[frame],
            color="#c8c8c8", linewidth=1.2, zorder=0,
        )  # fmt: skip
        above.set_xlim(least, 0.5)
        above.tick_params(labelsize=6, colors="#808080", pad=1, length=2)
        ax.set_zorder(above.get_zorder() + 1)
        ax.patch.set_visible(False)
        ax.plot(lag, norms[frame], color=_COLOURS[name], linewidth=1.6)
        ax.axhline(0, color="black", linewidth=0.5, linestyle=":")
        ax.set(ylim=(low, high), xlim=(0, lag[-1]))
        ax.tick_params(labelsize=6, pad=1, length=2)
        told = f"{'' if i else 'update '}{int(one['update'][frame])}"
        ax.text(0.96, 0.94, told, transform=ax.transAxes, fontsize=7, ha="right", va="top")
        if i:
            ax.set_yticklabels([])
    strip[0].set_ylabel(
        rf"{_CELLS[name]}: $\log_{{10}}\|\mathrm{{d}}L/\mathrm{{d}}h\|$", fontsize=7
    )
    strip[len(strip) // 2].set_xlabel("lag (steps); grey: exponents (nat/step, upper axis)")


def _draw_curves(panels, cube, cells):
    update = cube["update"].values

    def curve(ax, values, name, **look):
        band = rnnjax.figures.seed_band(values.transpose("seed", "update").values)
        ax.plot(update, band.median, **{"color": _COLOURS[name], **look})
        if "linestyle" not in look:
            ax.fill_between(update, band.low, band.high, color=_COLOURS[name], alpha=0.15,
                            linewidth=0)  # fmt: skip

    for name in cells:
        one = cube.sel(cell=name)
        curve(panels[0], one["accuracy"], name, label=_CELLS[name])
        curve(panels[1], one["exponents"].isel(index=0), name)
        curve(panels[1], one["log_radius"], name, linestyle="--")
        curve(panels[2], one["horizon"], name)
        curve(panels[5], one["participation"], name)
        curve(panels[5], 10 * one["turn"].isel(turn_lag=slice(-5, None)).mean("turn_lag"), name,
              linestyle="--")  # fmt: skip
    panels[1].plot([], [], color="#606060", label=r"$\lambda_1$")
    panels[1].plot([], [], color="#606060", linestyle="--", label=r"$\ln \rho$")
    panels[5].plot([], [], color="#606060", label="directions left open")
    panels[5].plot([], [], color="#606060", linestyle="--", label="10 x turn (rad)")
    panels[1].axhline(0, color="black", linewidth=0.5, linestyle=":")
    for ax, label in zip(
        (panels[0], panels[1], panels[2], panels[5]),
        ("test accuracy", "nat/step", "horizon (lags)", "of the Jacobian product"),
        strict=True,
    ):
        ax.set_ylabel(label)
    for ax, name in zip(panels[3:5], cells, strict=False):
        for rule in cube["rule"].values:
            words, colour = _RULES[str(rule)]
            values = cube["cosine"].sel(cell=name, rule=rule).median("seed")
            ax.plot(update, values, color=colour, label=words)
        ax.set(ylabel=f"cosine with BPTT, {_CELLS[name]}", ylim=(-0.3, 1.05))
    for ax in panels:
        ax.set_xlabel("updates")
    for ax in (panels[0], panels[1], panels[3], panels[5]):
        ax.legend(fontsize=6, loc="best")


def claims(cube):
    """Numbers that must hold, each with its source."""
    found = _exact(cube)
    if cube["update"].values[-1] >= _LONG_ENOUGH:
        for name in (str(name) for name in cube["cell"].values):
            found += _of_learning(cube.sel(cell=name), name)
    return found


def _exact(cube):
    """Return identities that hold in every frame."""
    gap = np.abs(cube["exponents"].sum("index") - cube["mean_log_det"]).max() / cube.sizes["index"]
    readout = np.abs(cube["log_norm"].sel(lag=0) - cube["log_readout"]).max()
    found = [
        rnnjax.Claim("sum of all exponents minus mean ln |det J|, nat/step, worst", gap.item(), 0.0,
                     1e-4, "exact for any QR decomposition; float32, per entry of the state"),
        rnnjax.Claim("ln ||dL/dh|| at lag 0 minus that of V^T dl/dy, worst", readout.item(), 0.0,
                     1e-4, "chain rule; float32"),
    ]  # fmt: skip
    if "rtrl" in cube["rule"].values:
        worst = float(np.abs(cube["cosine"].sel(rule="rtrl") - 1).max())
        told = "RTRL: cosine with BPTT minus 1, worst of all updates"
        found.append(rnnjax.Claim(told, worst, 0.0, 1e-5, "RTRL is exact (Williams, Zipser 1989)"))
    return found


def _of_learning(one, name):
    """Return what learning changes, medians over seeds of the first and the last look."""
    first, last = one.isel(update=0), one.isel(update=-1)
    source = f"{_PASCANU}: memory has to be built; the margin was set before the sweep ran"

    def more(told, measured, expected, source=source, relation="at_least"):
        return rnnjax.Claim(f"{name}: {told}", float(measured), expected, 0.0, source, relation)

    ratio = (last["horizon"] / first["horizon"]).median("seed")
    leading = one["exponents"].isel(index=0)
    nearer = np.abs(leading.isel(update=-1)) - np.abs(leading.isel(update=0))
    found = [
        more("test accuracy at the end", last["accuracy"].median("seed"), _LEARNED),
        more("horizon at the end over that at the start", ratio, 1.5),
        more("|lambda_1| at the end minus at the start, nat/step", nearer.median("seed"), -0.05,
             relation="at_most"),
    ]  # fmt: skip
    if name == "vanilla":
        radius = np.exp(one["log_radius"])
        grown = (radius.isel(update=-1) - radius.isel(update=0)).min()
        found += [
            more("spectral radius at the end, least of all seeds",
                 radius.isel(update=-1).min(), 1.0, f"{_PASCANU}: solutions have a radius above 1"),
            more("spectral radius at the end minus at the start, least", grown, 0.0,
                 f"{_PASCANU}: more memory goes with a larger spectral radius"),
        ]  # fmt: skip
    if "truncated" in one["rule"].values:
        cosine = one["cosine"].sel(rule="truncated").median("seed")
        told = f"cosine of BPTT over {_WINDOW} steps, change from start to end"
        found.append(more(told, cosine.isel(update=-1) - cosine.isel(update=0), -0.1,
                          relation="at_most"))  # fmt: skip
    return found
