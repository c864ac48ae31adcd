"""W1: ||dL_T/dh_{T-k}|| at every lag k of 672 networks.

Peers: a PyTorch loop, network after network; PyTorch with all networks of an activation in batched
products; plain JAX, `vmap` of `grad` by a perturbation of every state. The peers' norms are plain
float32: where they fall below its range they read 0.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import crew, harness, networks
from benchmarks.crew import Share
from benchmarks.networks import N_H, Networks

CALM = 1.4
_WHOLE = ("PyTorch bmm", "plain JAX")  # the peers that do all of the work


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the rows of W1."""
    for row, n in crew.rows().items():
        yield lambda row=row, n=n: _case(row, n, quick)


def _case(row: str, n: int, quick: bool) -> harness.Case:
    drawn, side = networks.first_shares(quick, n), networks.sides(quick, n)
    n_lanes, n_steps = len(drawn) * len(drawn[0].W), drawn[0].x.shape[1]

    def peers() -> dict[str, harness.Side]:
        def of_torch() -> dict[str, harness.Side]:
            return {
                "PyTorch loop": side("lags", "loop_share", goal=50),
                "PyTorch bmm": side("lags", "bmm_share"),
            }

        plain = {"plain JAX": side("lags", "plain_share", goal=1.0)}
        return harness.where_installed("torch", of_torch) | plain

    return harness.Case(
        f"every lag, {row}: {n_lanes} networks, n_h {N_H}, T {n_steps}",
        side("networks", "our_share", "log_norm_by_lag"),
        peers,
        lambda results: max(difference(drawn, results, n) for n in _WHOLE if n in results),
        f"largest difference of a log norm from {' and '.join(_WHOLE)}, gains up to {CALM:g}",
        flop=n_lanes * n_steps * 2 * 2.0 * N_H**2,
        peak=None if quick else crew.gemm_gflop_per_second(n),
    )


def difference(drawn: list[Networks], results: dict[str, Any], name: str) -> float:
    """Return the largest |ln a - ln b| where the peer's float32 norm b can be trusted.

    Beyond a gain of CALM rounding grows on the way: tanh networks are chaotic, and relu's states
    leave the peer's range.
    """
    worst = 0.0
    for nets, ours, norm in zip(drawn, results["rnnjax"], results[name], strict=True):
        norm = np.asarray(norm, np.float64)
        # Outside of this range float32 squares in the norm are lost.
        known = (norm > 1e-15) & (norm < 1e15) & (nets.gain[:, None] <= CALM)
        apart = np.asarray(ours)[known] - np.log(norm[known])
        worst = max(worst, float(np.max(np.abs(apart), initial=0)))
    return worst


def plain_share(quick: bool, *, share: Share) -> harness.Side:
    """Return plain JAX's way of one share, in float32, at its best layout."""
    return networks.together(networks.share_of(quick, share), plain_jax, Networks.arrays_of_lanes)


def plain_jax(nets: Networks) -> Callable:
    """Return plain JAX's norms of one network, a function of W, U and x."""
    f = nets.cell.activation.fn

    def norms(W, U, x):
        def last(nudges):
            def step(h, at):
                x_t, nudge = at
                return f(W @ h + U @ x_t) + nudge, None

            h, _ = jax.lax.scan(step, nudges[0], (x, nudges[1:]))
            return jnp.sum(h) / N_H**0.5

        grads = jax.grad(last)(jnp.zeros((len(x) + 1, N_H)))
        return jnp.linalg.norm(grads, axis=1)[::-1]

    return norms


def loop_share(quick: bool, *, share: Share) -> harness.Side:
    """Return PyTorch's way of one share, network after network."""
    few, parts = 1 if quick else 2, networks.share_of(quick, share)
    return harness.Side(
        lambda: [_by_loop(nets, few) for nets in parts],
        scale=len(parts[0].W) / few,
        share=f"{few} of {len(parts[0].W)} networks of each activation",
    )


def bmm_share(quick: bool, *, share: Share) -> harness.Side:
    """Return PyTorch's way of one share, with all networks of an activation in batched products."""
    parts = networks.share_of(quick, share)
    return harness.Side(lambda: [_by_batched_products(nets) for nets in parts])


def _by_loop(nets: Networks, n_lanes: int) -> np.ndarray:
    lanes = range(0, len(nets.W), len(nets.W) // n_lanes)
    return np.stack([norms(networks.torch_states_of_one(nets, i, nets.x.shape[1])) for i in lanes])


def _by_batched_products(nets: Networks) -> np.ndarray:
    return norms(networks.torch_states(nets, nets.x.shape[1])).T


def norms(states: list[Any]) -> np.ndarray:
    """Return |dL_T/dh_{T-k}|, (T+1,) or (T+1, lanes)."""
    import torch

    (states[-1].sum() / N_H**0.5).backward()
    return torch.stack([h.grad.norm(dim=-1) for h in reversed(states)]).cpu().numpy()
