"""How much of its past does a network use that forecasts an EEG, and does it beat "no change"?

    python examples/eeg.py [PAGE]

Four channels, 800 samples at 80 a second, which matplotlib ships. A GRU in linen learns from the
first 600 and forecasts the next sample of the others. Four units: more learn 600 samples by heart.
"""

import sys
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.cbook import get_sample_data

import rnnjax

T, N_SEEN, N_UPDATES = 50, 600, 240

with get_sample_data("eeg.dat") as file:
    eeg = np.frombuffer(file.read()).reshape(800, 4).astype(np.float32)
eeg = (eeg - eeg[:N_SEEN].mean(0)) / eeg[:N_SEEN].std(0)
windows = np.stack([eeg[i : i + T + 1] for i in range(0, len(eeg) - T, 5)])
seen, new = windows[: (N_SEEN - T) // 5], windows[N_SEEN // 5 :]


class Forecast(nn.Module):
    @nn.compact
    def __call__(self, x):
        return x + nn.Dense(4, kernel_init=nn.initializers.zeros)(nn.RNN(nn.GRUCell(4))(x))


def losses(params, x):
    return jnp.mean((Forecast().apply(params, x[:-1]) - x[1:]) ** 2, axis=1)


def train(params):
    optimiser = optax.adam(1e-2)

    def update(carry, _):
        params, state = carry
        grads = jax.grad(lambda p: jax.vmap(losses, (None, 0))(p, seen).mean())(params)
        updates, state = optimiser.update(grads, state)
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(update, (params, optimiser.init(params)), length=N_UPDATES)[0][0]


if __name__ == "__main__":
    params = train(Forecast().init(jax.random.key(0), new[0]))
    no_change = np.mean((new[:, -1] - new[:, -2]) ** 2)
    error = np.mean(jax.vmap(losses, (None, 0))(params, new)[:, -1])
    title = f"EEG: squared error {error:.3f}, of no change {no_change:.3f}"
    report = rnnjax.diagnose(lambda *at: losses(*at)[-1], params, new, title=title)
    print(report)
    report.to_html(*sys.argv[1:] or [Path(__file__).parent / "pages" / "eeg.html"])
