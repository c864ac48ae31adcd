"""What does the typical product of random numbers do, and what does the mean of its square?

Command:   rnnjax run scalar_products
Run time:  about 10 seconds on 2 cores, compiling included.
Figure:    Chains of scalars, h_T = w_T .. w_1 h_0 with w_t ~ N(0, s^2): growth of a typical chain
           and of the root mean square over s, mean over seeds (points) and closed forms (dashed).
           Shaded: a typical chain decays while the mean square grows.
Source:    Newman, The distribution of Lyapunov exponents: exact results for random matrices,
           Communications in Mathematical Physics, 1986, for matrices of size 1.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field, PositiveFloat

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import crossing, largest
from rnnjax.sweep import Traced, Variable

_THEORY = rnnjax.theory.random_matrices
_LOW, _HIGH = _THEORY.deceptive_deviations()
_LOOKS = {
    "log_mean_square": figures.Look("root mean square", figures.PINK, "s", "none"),
    "mean_log": figures.Look("typical chain", figures.BLUE, "o", "none"),
}


class Setting(sweep.Setting):
    """The factors of a chain, and how many chains are drawn."""

    deviation: PositiveFloat = Field(1.0, description="s, standard deviation of the factors")
    seed: Traced[int] = 0
    n_chains: int = Field(20_000, ge=10, description="chains")
    length: int = Field(200, ge=4, description="factors T of a chain")
    axes = ("deviation", "seed")


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    return {
        "mean_log": Variable((), "mean of ln |h_T / h_0| over T", "nat/step"),
        "variance_log": Variable((), "its variance over T", "nat^2/step"),
        "log_mean_square": Variable((), "ln E (h_3 / h_0)^2 over 6", "nat/step"),
        "share_decayed": Variable((), "share of chains with |h_T| < |h_0|"),
    }


def shared(setting: Setting) -> tuple[jax.Array, jax.Array]:
    """Draw ln |h_T / h_0| and ln |h_3 / h_0| of chains with s = 1, the same for every s."""
    w = jax.random.normal(jax.random.key(setting.seed), (setting.n_chains, setting.length))
    logs = jnp.log(jnp.abs(w))
    return jnp.sum(logs, axis=1), jnp.sum(logs[:, :3], axis=1)


def measure(setting: Setting, shared: tuple[jax.Array, jax.Array]) -> dict[str, jax.Array]:
    """Measure the logarithm of chains, its variance, and their mean square."""
    (total, of_three), T, log_s = shared, setting.length, jnp.log(setting.deviation)
    return {
        "mean_log": jnp.mean(total) / T + log_s,
        "variance_log": jnp.var(total) / T,
        "log_mean_square": jnp.log(jnp.mean(jnp.exp(2 * of_three))) / 6 + log_s,
        "share_decayed": jnp.mean(total + T * log_s < 0),
    }


def figure(cube: xr.Dataset) -> figures.Figure:
    """Growth of typical chains and of their mean square."""
    frame = figures.Frame(height=2.8, width=0.6 * figures.PAGE_WIDTH)
    (panel,) = frame.panels
    s = cube["deviation"].values
    margin = 0.03 * (np.ptp(s) or 1)
    s = np.geomspace(s.min(), s.max(), 60)
    chain = _THEORY.scalar_chain(xr.DataArray(s, {"deviation": s}), 1)
    theory = {"mean_log": chain.mean_log, "log_mean_square": chain.log_mean_square / 2}
    drawn = figures.curves(
        panel, cube[[*theory]].sortby("deviation").mean("seed").to_array("rate"), each="rate",
        over="deviation", looks=_LOOKS, theory={"": xr.Dataset(theory).to_array("rate")}, level=0,
        xlabel="standard deviation $s$ of the factors", ylabel="growth (nat/step)",
        xlim=(s[0] - margin, s[-1] + margin), ylim=(None, 1.2),
    )  # fmt: skip
    message = "a typical chain decays, the mean square grows"
    span = panel.axvspan(_LOW, _HIGH, color="#F2E6D8", zorder=0, label=message)
    panel.legend(handles=[span], loc="upper left")
    figures.direct_labels(panel, drawn[: len(theory)])
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """At which deviation either begins to grow, and how many chains have decayed in between."""
    one = _pooled(cube).sortby("deviation")
    turns = {name: crossing(one[name], "deviation") for name in _LOOKS}
    words = {name: f"by {one[name][-1]:.2f} nat/step at s = {one['deviation'][-1]:g}" if s != s
             else f"from s = {s:{'.2f' if s < 1e3 else '.3g'}} on" for name, s in turns.items()
             }  # fmt: skip
    said = (f"The mean square of the product grows {words['log_mean_square']}, "
            f"a typical product {words['mean_log']}.")  # fmt: skip
    between = one.isel(deviation=(one["mean_log"] < 0) & (one["log_mean_square"] > 0))
    if not between.sizes["deviation"]:
        return said
    at = between.isel(deviation=between.sizes["deviation"] // 2)
    return (f"{said} At s = {at['deviation']:g}, {100 * at['share_decayed']:.3g} % of the chains "
            f"have decayed after {cube.setting.length} factors; their root mean square grows by "
            f"{at['log_mean_square']:.2f} nat/step.")  # fmt: skip


def _pooled(cube: xr.Dataset) -> xr.Dataset:
    """Return the chains of all seeds together, how many there are, and how far rates are off."""
    one, n_chains = cube.mean("seed", keep_attrs=True), cube.setting.n_chains * cube.sizes["seed"]
    chain = _THEORY.scalar_chain(one["deviation"], 1)
    off_square = one["log_mean_square"] - chain.log_mean_square / 2
    off_rate = one["mean_log"] - chain.mean_log
    return one.assign(off_rate=off_rate, off_square=off_square, n_chains=n_chains)


CLAIMS = (
    Group((
        Row("scalar chains: rate minus ln s + 0.635181, worst",
            lambda one: largest(abs(one["off_rate"])), equals=0,
            tolerance=lambda one: 3 * math.pi / np.sqrt(8 * one.setting.length * one["n_chains"]),
            source="closed form; tolerance: 3 standard errors"),
        Row("scalar chains: variance of the logarithm a step",
            lambda one: one["variance_log"].mean(), equals=math.pi**2 / 8, tolerance=0.03,
            source="closed form: pi^2 / 8; tolerance: sampling"),
        # The relative variance of a mean of (h_3)^2 is 27 - 1.
        Row("scalar chains: rate of the root mean square minus ln s",
            lambda one: largest(abs(one["off_square"])), equals=0,
            tolerance=lambda one: 3 * np.sqrt(26 / one["n_chains"]) / 6,
            source="exact; 3 standard errors"),
        Row("s between 1 and 1.887 with a typical decay and a growing mean square",
            lambda one: ((one["mean_log"] < 0) & (one["log_mean_square"] > 0)).sum(),
            at={"deviation": lambda s: (s > _LOW + 0.02) & (s < _HIGH - 0.02)},
            equals=lambda one: one.sizes["deviation"],
            source="closed form: 1 < s < e^0.635181"),
    ), part=_pooled),
)  # fmt: skip
