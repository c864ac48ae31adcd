"""The fixtures that `make_fixtures.py` wrote, and the comparison with what a framework computed."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from rnnjax import layers, probes, scaled
from rnnjax.losses import squared_error

FOLDER = Path(__file__).parent / "data"
N_PADDED = 3  # steps of padding, filled with NaN


def fixture(name):
    """The arrays of a file, and the weights among them by their own names."""
    with np.load(FOLDER / f"{name}.npz") as archive:
        arrays = dict(archive)
    start = "weights/"
    weights = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
    return arrays, weights


def padded(arrays):
    """The sequence with padding behind its end."""
    n = len(arrays["x"])

    def with_padding(a):
        return jnp.pad(jnp.asarray(a), ((0, N_PADDED), (0, 0)), constant_values=jnp.nan)

    mask = jnp.arange(n + N_PADDED) < n
    return rnnjax.Batch(with_padding(arrays["x"]), with_padding(arrays["y"]), mask.astype(float))


def largest_error(cell, params, arrays):
    """How far outputs and dL/dh_t are from those of the framework, of all losses and the last."""
    batch, n = padded(arrays), len(arrays["x"])
    measured = jax.jit(both_ways if is_both_ways(cell) else forward)(cell, params, batch)
    outputs, deltas, norms = jax.tree.map(np.asarray, measured)
    errors = {"outputs": np.max(np.abs(outputs[:n] - arrays["outputs"])), "all": 0.0, "last": 0.0}
    for i, of_layer in enumerate(deltas):
        for j, by_time in enumerate(of_layer):
            of_all = joined(arrays, "all", i, j)
            errors["all"] = max(errors["all"], np.max(np.abs(by_time[: n + 1] - of_all)))
            expected = np.linalg.norm(joined(arrays, "last", i, j), axis=1)[::-1]
            gap = np.abs(np.exp(norms[i, j, : n + 1]) - expected)
            errors["last"] = max(errors["last"], np.max(gap))
            assert np.all(np.isnan(norms[i, j, n + 1 :])) and np.any(of_all != 0)
    return errors


def joined(arrays, loss, layer, direction):
    """dL/d[h, c] of a layer, (T+1, n)."""
    keys = [f"{loss}/{letter}/{layer}/{direction}" for letter in "hc"]
    return np.concatenate([arrays[key] for key in keys if key in arrays], axis=1)


def is_both_ways(cell):
    return isinstance(cell, rnnjax.Bidirectional)


def forward(cell, params, batch):
    found = layers.gradients(cell, squared_error, params, batch)
    deltas = [[scaled.plain(of_layer.by_time())] for of_layer in found]
    norms = probes.log_norm_by_layer_and_lag(cell, squared_error, params, batch)[
        "log_norm_by_layer"
    ]
    return rnnjax.outputs(cell, params, batch.x), deltas, norms[:, None]


def both_ways(cell, params, batch):
    found = cell.gradients(squared_error, params, batch)
    deltas = [[scaled.plain(one.by_time()) for one in both] for both in found]
    norms = cell.log_norm_by_layer_and_lag(squared_error, params, batch)["log_norm_by_layer"]
    return cell.outputs(params, batch.x, batch.mask != 0), deltas, norms
