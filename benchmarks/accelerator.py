"""W1, W2 and W3 on an accelerator: a hundred times the networks, and larger ones.

The programs are those of the processor, all networks side by side on one device. Peers on the same
device: PyTorch with all networks in batched products, PyTorch's nn.RNN seed after seed, and
rnnjax's own program with products of fewer digits (TF32), which sweeps do not use.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from benchmarks import harness, lags, lengths, networks, training
from benchmarks.networks import ACTIVATIONS, N_H, N_X, Networks

_PROBES = {"every lag": "log_norm_by_lag", "every length": "log_norm_by_length"}
_N_STEPS, _N_EACH, _N_COMPARED = 256, 16_800, 64
_LARGER = ((256, 4096), (512, 1024), (1024, 256))  # (n_h, networks)
_TRAININGS = ((50, 3200, 100), (256, 320, 20), (1024, 32, 20))  # (n_h, seeds, updates)
_TRACED = 100  # updates of PyTorch's training


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the cases, W1 and W2 by size, then W3 by size."""
    each, n_steps = (4, 16) if quick else (_N_EACH, _N_STEPS)
    for what in _PROBES:
        yield lambda what=what: _of_probe(what, ACTIVATIONS, N_H, each, n_steps)
        for n_h, n_lanes in ((96, 2),) if quick else _LARGER:
            yield lambda what=what, n_h=n_h, n=n_lanes: _of_probe(what, ("tanh",), n_h, n, n_steps)
    for sizes in ((8, 4, 2),) if quick else _TRAININGS:
        yield lambda sizes=sizes: _of_training(*sizes)


def _of_probe(
    what: str, activations: tuple[str, ...], n_h: int, n_each: int, n_steps: int
) -> harness.Case:
    """Return the case of one probe; a network is compared with the processor's float32."""
    drawn = [_drawn(activation, n_h, n_each, n_steps) for activation in activations]
    n_lanes, of_vector = n_each * len(drawn), 2.0 * n_h**2
    by_lag = what == "every lag"

    def side() -> harness.Side:
        return harness.together([_measured(what, nets) for nets in drawn])

    peers = {}
    if not by_lag:
        with jax.default_matmul_precision("tensorfloat32"):
            peers["rnnjax, TF32"] = side()
    if n_h == N_H:
        peers |= harness.where_installed("torch", lambda: _by_torch(what, drawn))
    return harness.Case(
        f"{what}, {n_lanes} networks, n_h {n_h}, T {n_steps}",
        side(),
        peers,
        lambda results: _difference(what, drawn, results["rnnjax"]),
        f"largest difference of a log norm from the processor's, gains up to {lags.CALM:g}",
        flop=n_lanes * n_steps * of_vector * (2 if by_lag else n_h + 2),
        # Every step reads W, on the way there and on the way back; M is read and written too.
        gigabytes=n_lanes * n_steps * 4 * n_h**2 * (2 if by_lag else 4) / 1e9,
    )


def _drawn(activation: str, n_h: int, n: int, n_steps: int) -> Networks:
    """Return n networks of all gains in turn."""

    def normal(number: int, *shape: int) -> jax.Array:
        return jax.random.normal(jax.random.key(number), shape)

    gain = jnp.asarray(np.resize(np.geomspace(0.5, 2.0, 21), n), jnp.float32)
    W = gain[:, None, None] * normal(0, n, n_h, n_h) / n_h**0.5
    return Networks(
        activation,
        np.asarray(gain),
        W,
        normal(1, n, n_h, N_X) / N_X**0.5,
        normal(2, n, n_steps, N_X),
    )


def _measured(what: str, nets: Networks) -> harness.Side:
    probe = getattr(rnnjax.probes, _PROBES[what])

    def norms(params: Any, x: jax.Array) -> jax.Array:
        batch = rnnjax.Batch(x, jnp.zeros((len(x), 1)), jnp.ones(len(x)))
        (found,) = probe(nets.cell, None, params, batch).values()
        return found

    return harness.compiled(jax.vmap(norms), *nets.lanes())


def _difference(what: str, drawn: list[Networks], results: list[Any]) -> float:
    worst = 0.0
    with jax.default_device(jax.devices("cpu")[0]):
        for nets, ours in zip(drawn, results, strict=True):
            few = Networks(nets.activation, *(np.asarray(a[:_N_COMPARED]) for a in nets.arrays()))
            calm = few.gain <= lags.CALM
            expected = np.asarray(_measured(what, few).run())[calm]
            apart = np.abs(np.asarray(ours[:_N_COMPARED])[calm] - expected)
            worst = max(worst, float(np.max(apart, where=np.isfinite(expected), initial=0)))
    return worst


def _by_torch(what: str, drawn: list[Networks]) -> dict[str, harness.Side]:
    """Return PyTorch's batched products on the same device."""
    device = "cpu" if jax.default_backend() == "cpu" else "cuda"
    given = [Networks(nets.activation, *(np.array(a) for a in nets.arrays())) for nets in drawn]
    n_steps = given[0].x.shape[1]
    if what == "every lag":
        side = harness.Side(
            lambda: [lags.norms(networks.torch_states(nets, n_steps, device)) for nets in given]
        )
        return {"PyTorch bmm": side}
    short = n_steps // 4
    side = harness.Side(
        lambda: lengths.by_backward(networks.torch_states(given[0], short, device)),
        scale=len(given) * n_steps * (n_steps + 1) / (short * (short + 1)),
        share=f"lengths to {short} of {n_steps}, 1 of {len(given)} activations",
    )
    return {"PyTorch bmm": side}


def _of_training(n_h: int, n_seeds: int, n_updates: int) -> harness.Case:
    def side() -> harness.Side:
        return harness.compiled(jax.vmap(training.trained(n_h, n_updates)), jnp.arange(n_seeds))

    def of_torch() -> dict[str, harness.Side]:
        device = "cpu" if jax.default_backend() == "cpu" else "cuda"
        n = min(_TRACED, n_updates)
        run = harness.Side(
            lambda: training.by_torch(0, n, n_h, device),
            scale=n_seeds * n_updates / n,
            share=f"1 of {n_seeds} seeds",
        )
        return {"PyTorch nn.RNN": run}

    with jax.default_matmul_precision("tensorfloat32"):
        peers = {"rnnjax, TF32": side()}
    length, batch = training.LENGTH, training.BATCH
    return harness.Case(
        f"{n_seeds} trainings, n_h {n_h}, T {length}, {n_updates} updates of {batch} sequences",
        side(),
        peers | harness.where_installed("torch", of_torch),
        harness.relative("rnnjax, TF32"),
        "largest difference of a loss from that with TF32, over the largest loss",
        flop=n_seeds * n_updates * length * batch * 3 * 2.0 * n_h**2,
    )
