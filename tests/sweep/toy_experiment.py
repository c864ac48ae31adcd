"""Does a toy sweep run end to end?

A scalar product w^lag with a random w, measured as its logarithm; small enough for the tests of
the sweep runner, with one static axis, two traced axes and a variable without inner dimension.
"""

import json
import math
import os
import time
from pathlib import Path

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from rnnjax import sweep
from rnnjax.sweep import ActivationName, Traced, Variable


class Setting(sweep.Setting):
    """A toy setting."""

    activation: ActivationName = "tanh"
    gain: PositiveFloat = 1.0
    seed: Traced[int] = 0
    n_h: PositiveInt = Field(8, le=1024, description="state size")
    length: PositiveInt = Field(5, le=10**6, description="number of lags")
    task: str = Field("none", description="a word that changes nothing")
    noisy: bool = Field(False, description="a switch that changes nothing")
    shift: float = Field(0.0, description="added to every logarithm")
    axes = ("activation", "gain", "seed")


def coordinates(setting):
    """The lags, without jax."""
    return {"lag": np.arange(setting.length + 1)}


def variables(setting):
    """One curve and one number a lane."""
    return {
        "log_norm": Variable(("lag",), "log of the norm", "nat"),
        "horizon": Variable((), "horizon", "step", infinite="beyond"),
    }


def shared(setting):
    """A random matrix of scale `gain`."""
    import jax

    noise = jax.random.normal(jax.random.key(setting.seed), (setting.n_h, setting.n_h))
    return setting.gain * noise / math.sqrt(setting.n_h)


def measure(setting, shared):
    """The log-norm of a vector that is multiplied by the matrix again and again."""
    import jax
    import jax.numpy as jnp

    import rnnjax

    # Told by the environment, not by the config: a run that was disturbed in one of these ways must
    # resume to the results of one that was not.
    activation = setting.activation
    if activation == os.environ.get("TOY_BROKEN"):
        raise RuntimeError("this group was told to fail")
    if "TOY_PAUSE" in os.environ and os.environ.get("TOY_PAUSES", activation) == activation:
        Path(os.environ["TOY_PAUSING"]).touch()
        # The second group takes longer, although it is compiled while the first one is.
        time.sleep(float(os.environ["TOY_PAUSE"]) * (1 if activation == "tanh" else 3))
    function = rnnjax.activation_named(activation)

    def step(h, _):
        h = function(shared @ h)
        return h, h

    start = jnp.ones(setting.n_h)
    _, rest = jax.lax.scan(step, start, None, length=setting.length)
    norms = jnp.linalg.norm(jnp.concatenate([start[None], rest]), axis=-1)
    small = jnp.argmax(norms < 0.1)
    return {
        "log_norm": jnp.log(norms) + setting.shift,
        "horizon": jnp.where(jnp.any(norms < 0.1), small * 1.0, jnp.inf),
    }


def figure(cube):
    """The curves of the first seed."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(2, 2))
    drawn.subplots().plot(cube["lag"], cube["log_norm"][0, 0, 0])
    return drawn


def claims(cube):
    """One exact number: the first norm is that of ones."""
    from rnnjax.claims import Claim

    first = float(cube["log_norm"][0, 0, 0, 0])
    expected = 0.5 * math.log(json_config(cube)["n_h"])
    return [Claim("first norm", first, expected, 1e-6, "exact: the norm of ones")]


def json_config(cube):
    """The config that the cube was made from."""
    return json.loads(cube.attrs["config"])
