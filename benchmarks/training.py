"""W3: a sweep of trainings. The adding problem at T 100, 50 tanh units, 32 seeds.

Stochastic gradient descent at 0.01 with the gradient clipped to norm 1, 200 updates of 20 fresh
sequences. Peers: PyTorch's nn.RNN, seed after seed; plain JAX, a scan over updates whose
body takes `grad` of a scan; the same with flax's nn.RNN and with an equinox module.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjax
from benchmarks import crew, harness
from benchmarks.crew import Share
from rnnjax.tasks import Adding

N_H, LENGTH, BATCH, RATE, CLIP = 50, 100, 20, 0.01, 1.0


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the rows of W3."""
    for row, n in crew.rows().items():
        yield lambda row=row, n=n: _case(row, n, *(2, 4) if quick else (32, 200))


def _case(row: str, n: int, n_seeds: int, n_updates: int) -> harness.Case:
    n_seeds = n_seeds * n // crew.rows()["whole machine"]

    def side(function: str, *args: Any, goal: float | None = None) -> harness.Side:
        all_seeds = n_seeds * crew.rows()["whole machine"] // n
        found = crew.side("benchmarks.training", function, all_seeds, n_updates, *args, n=n)
        return replace(found, run=lambda: np.concatenate(found.run()), goal=goal)

    def peers() -> dict[str, harness.Side]:
        return (
            harness.where_installed(
                "torch", lambda: {"PyTorch nn.RNN": side("torch_share", goal=5)}
            )
            | {"plain JAX": side("peer_share", "plain", goal=1.2)}
            | {"flax nn.RNN": side("peer_share", "flax")}
            | harness.where_installed("equinox", lambda: {"equinox": side("peer_share", "equinox")})
        )

    return harness.Case(
        f"{row}: {n_seeds} trainings, n_h {N_H}, T {LENGTH}, {n_updates} updates of {BATCH}"
        " sequences",
        side("our_share"),
        peers,
        harness.relative("plain JAX"),
        "largest difference of a loss from that of plain JAX, over the largest loss",
        # Forward, back and the gradient of W: three products a step.
        flop=n_seeds * n_updates * LENGTH * BATCH * 3 * 2.0 * N_H**2,
        peak=None if n_updates < 10 else crew.gemm_gflop_per_second(n),
    )


def our_share(n_seeds: int, n_updates: int, *, share: Share) -> harness.Side:
    """Return rnnjax's way for one share of the seeds."""
    return _fastest(trained(N_H, n_updates), n_seeds, share)


def peer_share(n_seeds: int, n_updates: int, network: str, *, share: Share) -> harness.Side:
    """Return a peer's way for one share of the seeds."""
    makes = {"plain": plain_network, "flax": _flax_network, "equinox": _equinox_network}
    return _fastest(trained_by_grad(makes[network](), n_updates), n_seeds, share)


def torch_share(n_seeds: int, n_updates: int, *, share: Share) -> harness.Side:
    """Return PyTorch's way for one share of the seeds, of which it trains the first."""
    import torch

    torch.set_num_threads(1)
    seeds = share.of(np.arange(n_seeds))
    return harness.Side(
        lambda: [by_torch(int(seeds[0]), n_updates)],
        scale=len(seeds),
        share=f"1 of {len(seeds)} seeds",
    )


def _fastest(train: Callable, n_seeds: int, share: Share) -> harness.Side:
    """Return the fastest of one seed after the other and all side by side."""
    seeds = share.of(np.arange(n_seeds))
    layouts = {
        "seed after seed": lambda: one_by_one(train, seeds),
        "all seeds side by side": lambda: harness.compiled(jax.vmap(train), jnp.asarray(seeds)),
    }
    return crew.fastest(layouts, n_rounds=1)


def one_by_one(train: Callable, seeds: Sequence[int], *, once: bool = False) -> harness.Side:
    """Return the side that trains one seed after the other; see `harness.compiled`."""
    seeds = jnp.asarray(seeds)
    return harness.compiled(lambda seeds: jax.lax.map(train, seeds), seeds, once=once)


def trained(n_h: int, n_updates: int) -> Callable[[jax.Array], jax.Array]:
    """Return rnnjax's training as a function of the seed, which gives the losses, (n_updates,)."""
    cell, task = rnnjax.Vanilla(2, n_h, 1), Adding(LENGTH)
    optimiser = rnnjax.updates.clip_by_norm(CLIP, optax.sgd(RATE))

    def train(seed):
        return rnnjax.fit(
            cell, task, rnnjax.rules.BPTT(), optimiser, jax.random.key(seed),
            n_updates=n_updates, batch_size=BATCH,
        ).loss  # fmt: skip

    return train


def trained_by_grad(network: tuple[Callable, Callable], n_updates: int) -> Callable:
    """Return the training of a network, (key -> params, (params, x) -> y at T), by `grad`.

    As a function of the seed, which gives the losses, (n_updates,).
    """
    init, apply = network
    task = Adding(LENGTH)
    optimiser = optax.chain(optax.clip_by_global_norm(CLIP), optax.sgd(RATE))

    def train(seed):
        key_init, key, _ = jax.random.split(jax.random.key(seed), 3)  # as rnnjax.fit does
        params = init(key_init)

        def loss(params, batch):
            y = jax.vmap(lambda x: apply(params, x))(batch.x)
            return jnp.mean(jax.vmap(task.loss)(y, batch.y[:, -1]))

        def update(carry, n):
            params, state = carry
            keys = jax.random.split(jax.random.fold_in(key, n), BATCH)
            value, grads = jax.value_and_grad(loss)(params, jax.vmap(task.sample)(keys))
            updates, state = optimiser.update(grads, state)
            return (optax.apply_updates(params, updates), state), value

        start = (params, optimiser.init(params))
        return jax.lax.scan(update, start, jnp.arange(n_updates))[1]

    return train


def plain_network() -> tuple[Callable, Callable]:
    """Return the network of W3 as key -> params and (params, x) -> y at T."""
    cell = rnnjax.Vanilla(2, N_H, 1)

    def apply(params, x):
        def step(h, x_t):
            return jnp.tanh(params.W @ h + params.U @ x_t + params.b), None

        h, _ = jax.lax.scan(step, jnp.zeros(N_H), x)
        return params.V @ h + params.c

    return cell.init, apply


def _flax_network() -> tuple[Callable, Callable]:
    from flax import linen

    class Network(linen.Module):
        @linen.compact
        def __call__(self, x):
            return linen.Dense(1)(linen.RNN(linen.SimpleCell(N_H))(x)[-1])

    network = Network()
    return lambda key: network.init(key, jnp.zeros((LENGTH, 2))), network.apply


def _equinox_network() -> tuple[Callable, Callable]:
    import equinox

    class Network(equinox.Module):
        hidden: equinox.nn.Linear
        drive: equinox.nn.Linear
        readout: equinox.nn.Linear

        def __init__(self, key):
            one, two, three = jax.random.split(key, 3)
            self.hidden = equinox.nn.Linear(N_H, N_H, use_bias=False, key=one)
            self.drive = equinox.nn.Linear(2, N_H, key=two)
            self.readout = equinox.nn.Linear(N_H, 1, key=three)

        def __call__(self, x):
            def step(h, x_t):
                return jnp.tanh(self.hidden(h) + self.drive(x_t)), None

            return self.readout(jax.lax.scan(step, jnp.zeros(N_H), x)[0])

    return Network, lambda network, x: network(x)


def by_torch(seed: int, n_updates: int, n_h: int = N_H, device: str = "cpu") -> Any:
    """Return the losses of PyTorch's training of one seed."""
    import torch

    torch.manual_seed(seed)
    rnn = torch.nn.RNN(2, n_h, batch_first=True, device=device)
    readout = torch.nn.Linear(n_h, 1, device=device)
    params = [*rnn.parameters(), *readout.parameters()]
    sgd, losses = torch.optim.SGD(params, RATE), []
    rows = torch.arange(BATCH, device=device)
    for _ in range(n_updates):
        values = torch.rand(BATCH, LENGTH, device=device)
        marks = torch.zeros(BATCH, LENGTH, device=device)
        half = LENGTH // 2
        marks[rows, torch.randint(half, (BATCH,), device=device)] = 1
        marks[rows, half + torch.randint(LENGTH - half, (BATCH,), device=device)] = 1
        y = readout(rnn(torch.stack((values, marks), 2))[0][:, -1])[:, 0]
        loss = ((y - (values * marks).sum(1)) ** 2).mean()
        sgd.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, CLIP)
        sgd.step()
        losses.append(loss.item())
    return losses
