"""Where does the gradient of a network vanish, and where does it explode?

Command:   rnnjax run THIS_FILE
"""

from typing import Any

from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import sweep
from rnnjax.lazy import jax, matplotlib


class Setting(sweep.Setting):
    """All values that determine one cell; any of them can be swept.

    Floats run side by side in one compiled program, like anything in ``sweep.Traced[...]``; every
    other new value is a new program. ``axes`` are the dimensions of every cube.
    """

    activation: sweep.ActivationName = "tanh"
    gain: PositiveFloat = Field(1.0, description="factor of the initial recurrent weights")
    seed: sweep.Traced[int] = 0
    n_h: PositiveInt = Field(32, description="units")
    length: PositiveInt = Field(64, description="steps T")
    axes = ("activation", "gain", "seed")


def shared(setting: Setting) -> Any:
    """Draw weights and one sequence.

    Optional. Computed once for all cells that agree in the fields that are read here.
    """
    key = jax.random.key(setting.seed)
    task = rnnjax.tasks.WhiteNoise(length=setting.length)
    cell = rnnjax.Vanilla(task.n_x, setting.n_h, task.n_y, gain=setting.gain)
    return cell.init(jax.random.fold_in(key, 0)), task.sample(jax.random.fold_in(key, 1))


def measure(setting: Setting, shared: Any) -> dict[str, Any]:
    """Return the variables of one cell as a dict of arrays; jax traces this function."""
    params, batch = shared
    activation = rnnjax.activation_named(setting.activation)
    cell = rnnjax.Vanilla(batch.x.shape[-1], setting.n_h, activation=activation)
    log_norm = rnnjax.probes.log_norm_by_lag(cell, None, params, batch)["log_norm"]
    return {"log_norm": log_norm, "horizon": rnnjax.analysis.horizon(log_norm)}


def figure(cube: Any) -> Any:
    """Draw the median of the log-norm over seeds, one panel an activation. Optional."""
    drawn = matplotlib.figure.Figure(figsize=(3.2 * cube.sizes["activation"], 2.6))
    panels = drawn.subplots(1, cube.sizes["activation"], sharey=True, squeeze=False)
    for panel, name in zip(panels[0], cube["activation"].values, strict=True):
        curves = cube["log_norm"].sel(activation=name).median("seed")
        for gain in curves["gain"].values:
            panel.plot(cube["lag"], curves.sel(gain=gain), label=f"$g$ = {gain:.3g}")
        panel.set(title=name, xlabel="lag $k$ (steps)")
    panels[0, 0].set_ylabel(r"$\ln\|dL_T/dh_{T-k}\|$ (nat)")
    panels[0, -1].legend()
    return drawn


def answer(cube: Any) -> str:
    """Say what the figure shows; the first sentence becomes its title. Optional."""
    left = cube["log_norm"].isel(lag=-1).median("seed") / 2.302585  # decades
    lowest, highest = float(left.min()), float(left.max())
    return f"From lag 0 to the last the gradient changes by {lowest:.3g} to {highest:.3g} decades."


def claims(cube: Any) -> list[rnnjax.Claim]:
    """Compare numbers of the cube with what they should be. Optional."""
    first = cube["log_norm"].isel(lag=0)
    return [
        rnnjax.Claim(
            "norm at lag 0, nat", float(abs(first).max()), 0.0, 1e-5, "L_T has a unit gradient"
        )
    ]
