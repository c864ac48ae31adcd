"""W2: ||dL_T/dh_0|| for every length T = 1..256 of 672 networks.

Peers: PyTorch with one backward pass a length, network after network and in batched products; plain
JAX, `vmap` over lengths of the backward pass of one scan.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness, lags, networks
from benchmarks.networks import N_H, Networks


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the case of W2."""
    yield lambda: _case(networks.drawn(quick), quick)


def _case(drawn: list[Networks], quick: bool) -> harness.Case:
    n_each, n_steps = drawn[0].x.shape[:2]
    n_lanes, short = len(drawn) * n_each, n_steps // 4

    def of_torch():
        loop = harness.Side(
            lambda: by_backward(networks.torch_states_of_one(drawn[0], n_each // 2, n_steps)),
            scale=n_lanes,
            share=f"1 of {n_lanes} networks",
            goal=1000,
        )
        # The time of T backward passes over up to T steps grows as T (T + 1) / 2.
        batched = harness.Side(
            lambda: by_backward(networks.torch_states(drawn[0], short)),
            scale=len(drawn) * n_steps * (n_steps + 1) / (short * (short + 1)),
            share=f"lengths to {short} of {n_steps}, 1 of {len(drawn)} activations",
            goal=200,
        )
        return {"PyTorch loop": loop, "PyTorch bmm": batched}

    return harness.Case(
        f"every length, {n_lanes} networks, n_h {N_H}, T 1 to {n_steps}",
        networks.ours(quick, "log_norm_by_length"),
        harness.where_installed("torch", of_torch)
        | {"plain JAX": harness.together([_plain_jax(nets) for nets in drawn])},
        lambda results: lags.difference(drawn, results, "plain JAX"),
        f"largest difference of a log norm from plain JAX, gains up to {lags.CALM:g}",
        flop=n_lanes * n_steps * 2.0 * N_H**2 * (N_H + 2),
    )


def _plain_jax(nets: Networks) -> harness.Side:
    f = nets.cell.activation.fn

    def norms(W, U, x):
        def sums(h_0):
            def step(h, x_t):
                h = f(W @ h + U @ x_t)
                return h, jnp.sum(h) / N_H**0.5

            return jax.lax.scan(step, h_0, x)[1]

        _, vjp = jax.vjp(sums, jnp.zeros(N_H))
        return jnp.linalg.norm(jax.vmap(vjp)(jnp.eye(len(x)))[0], axis=1)

    return harness.compiled(jax.vmap(norms), nets.W, nets.U, nets.x)


def by_backward(states: list) -> np.ndarray:
    import torch

    norms = []
    for h in states[1:]:
        states[0].grad = None
        (h.sum() / N_H**0.5).backward(retain_graph=True)
        norms.append(states[0].grad.norm(dim=-1))
    return torch.stack(norms).cpu().numpy()
