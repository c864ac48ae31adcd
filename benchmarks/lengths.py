"""W2: ||dL_T/dh_0|| for every length T = 1..256 of 672 networks.

Peers: PyTorch with one backward pass a length, network after network and in batched products; plain
JAX, `vmap` over lengths of the backward pass of one scan.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import crew, harness, lags, networks
from benchmarks.crew import Share
from benchmarks.networks import N_H, Networks


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the rows of W2."""
    for row, n in crew.rows().items():
        yield lambda row=row, n=n: _case(row, n, quick)


def _case(row: str, n: int, quick: bool) -> harness.Case:
    drawn, side = networks.first_shares(quick, n), networks.sides(quick, n)
    n_lanes, n_steps = len(drawn) * len(drawn[0].W), drawn[0].x.shape[1]

    def peers() -> dict[str, harness.Side]:
        def of_torch() -> dict[str, harness.Side]:
            return {
                "PyTorch loop": side("lengths", "loop_share"),
                "PyTorch bmm": side("lengths", "bmm_share"),
            }

        plain = {"plain JAX": side("lengths", "plain_share", goal=2.6)}
        return harness.where_installed("torch", of_torch) | plain

    return harness.Case(
        f"every length, {row}: {n_lanes} networks, n_h {N_H}, T 1 to {n_steps}",
        side("networks", "our_share", "log_norm_by_length"),
        peers,
        lambda results: lags.difference(drawn, results, "plain JAX"),
        f"largest difference of a log norm from plain JAX, gains up to {lags.CALM:g}",
        flop=n_lanes * n_steps * 2.0 * N_H**2 * (N_H + 2),
        peak=None if quick else crew.gemm_gflop_per_second(n),
    )


def plain_share(quick: bool, *, share: Share) -> harness.Side:
    """Return plain JAX's way of one share, at its best layout."""
    return networks.together(networks.share_of(quick, share), plain_jax, Networks.arrays_of_lanes)


def plain_jax(nets: Networks) -> Callable:
    """Return plain JAX's norms of one network, a function of W, U and x."""
    f = nets.cell.activation.fn

    def norms(W, U, x):
        def sums(h_0):
            def step(h, x_t):
                h = f(W @ h + U @ x_t)
                return h, jnp.sum(h) / N_H**0.5

            return jax.lax.scan(step, h_0, x)[1]

        _, vjp = jax.vjp(sums, jnp.zeros(N_H))
        return jnp.linalg.norm(jax.vmap(vjp)(jnp.eye(len(x)))[0], axis=1)

    return norms


def loop_share(quick: bool, *, share: Share) -> harness.Side:
    """Return PyTorch's way of one share: a backward pass a length, network after network."""
    first = networks.share_of(quick, share)[0]
    n, n_steps = first.x.shape[:2]
    n_lanes = n * len(networks.ACTIVATIONS)
    return harness.Side(
        lambda: [by_backward(networks.torch_states_of_one(first, n // 2, n_steps))],
        scale=n_lanes,
        share=f"1 of {n_lanes} networks",
    )


def bmm_share(quick: bool, *, share: Share) -> harness.Side:
    """Return PyTorch's way of one share: a backward pass a length in batched products."""
    first = networks.share_of(quick, share)[0]
    n_steps, n_kinds = first.x.shape[1], len(networks.ACTIVATIONS)
    short = n_steps // 4
    # The time of T backward passes over up to T steps grows as T (T + 1) / 2.
    return harness.Side(
        lambda: [by_backward(networks.torch_states(first, short)).T],
        scale=n_kinds * n_steps * (n_steps + 1) / (short * (short + 1)),
        share=f"lengths to {short} of {n_steps}, 1 of {n_kinds} activations",
    )


def by_backward(states: list) -> np.ndarray:
    import torch

    norms = []
    for h in states[1:]:
        states[0].grad = None
        (h.sum() / N_H**0.5).backward(retain_graph=True)
        norms.append(states[0].grad.norm(dim=-1))
    return torch.stack(norms).cpu().numpy()
