"""The networks that W1 and W2 are about, and PyTorch's ways of running them.

n_h 64, n_x 8, T 256; 4 activations x 21 gains x 8 seeds = 672 networks. The last loss is u.h_T with
a fixed unit vector u.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from benchmarks import crew, harness
from benchmarks.crew import Share

N_X, N_H = 8, 64
_SIDE_BY_SIDE = (6, 12, 21, 42)  # among them those whose matrices fit the cache of a core together
ACTIVATIONS = ("tanh", "sigmoid", "relu", "identity")


@dataclass
class Networks:
    """Networks of one activation.

    Attributes:
      activation: its name.
      gain: (lanes,).
      W: (lanes, n_h, n_h).
      U: (lanes, n_h, n_x).
      x: (lanes, T, n_x).
    """

    activation: str
    gain: np.ndarray
    W: np.ndarray
    U: np.ndarray
    x: np.ndarray

    @property
    def cell(self) -> rnnjax.Vanilla:
        """The cell of rnnjax."""
        f = rnnjax.activation_named(self.activation)
        return rnnjax.Vanilla(N_X, self.W.shape[-1], 1, activation=f)

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return gain, W, U and x."""
        return self.gain, self.W, self.U, self.x

    def part(self, i: int, n: int) -> "Networks":
        """Return the i-th of n parts of the networks."""
        arrays = (np.array_split(a, n)[i] for a in self.arrays())
        return Networks(self.activation, *arrays)

    def first(self, i: int, n: int) -> "Networks":
        """Return the first i of n parts of the networks."""
        arrays = (np.concatenate(np.array_split(a, n)[:i]) for a in self.arrays())
        return Networks(self.activation, *arrays)

    def arrays_of_lanes(self) -> tuple[np.ndarray, ...]:
        """Return W, U and x."""
        return self.W, self.U, self.x

    def lanes(self) -> tuple[Any, jax.Array]:
        """Return stacked parameters of `cell`, and the inputs."""
        n, n_h = self.W.shape[:2]
        params = rnnjax.cells.VanillaParams(
            jnp.asarray(self.W),
            jnp.asarray(self.U),
            jnp.zeros((n, n_h)),
            jnp.zeros((n, 1, n_h)),
            jnp.zeros((n, 1)),
        )
        return params, jnp.asarray(self.x)


def drawn(quick: bool) -> list[Networks]:
    """Return the networks, by activation."""
    n_gains, n_seeds, n_steps = (2, 2, 16) if quick else (21, 8, 256)
    generator = np.random.default_rng(0)
    g = np.repeat(np.geomspace(0.5, 2.0, n_gains), n_seeds)[:, None, None]
    shape = (n_seeds, N_H, N_H)
    W = np.tile(generator.standard_normal(shape) / N_H**0.5, (n_gains, 1, 1)) * g
    U = np.tile(generator.standard_normal((n_seeds, N_H, N_X)) / N_X**0.5, (n_gains, 1, 1))
    x = np.tile(generator.standard_normal((n_seeds, n_steps, N_X)), (n_gains, 1, 1))
    arrays = [np.float32(a) for a in (g[:, 0, 0], W, U, x)]
    return [Networks(f, *arrays) for f in (ACTIVATIONS[:2] if quick else ACTIVATIONS)]


def share_of(quick: bool, share: Share) -> list[Networks]:
    """Return one share of the networks of every activation."""
    return [nets.part(*share) for nets in drawn(quick)]


def first_shares(quick: bool, n: int) -> list[Networks]:
    """Return the networks of the first n shares, by activation."""
    return [nets.first(n, crew.rows()["whole machine"]) for nets in drawn(quick)]


def sides(quick: bool, n: int) -> Callable[..., harness.Side]:
    """Return how to make a side of the first n shares, from a module, a function and a goal."""

    def side(module: str, function: str, *args: Any, goal: float | None = None) -> harness.Side:
        found = crew.side(f"benchmarks.{module}", function, quick, *args, n=n)
        return replace(found, run=lambda: joined(found.run()), goal=goal)

    return side


def joined(results: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Return the results of shares, lists by activation, as one list."""
    return [np.concatenate(parts) for parts in zip(*results, strict=True)]


def together(parts: list[Networks], program: Callable, of_lane: Callable) -> harness.Side:
    """Return the side that runs a compiled function over the networks of each activation.

    Args:
      parts: the networks.
      program: makes the function of one lane for an activation's networks.
      of_lane: gives the arrays of all lanes that the function takes.

    Returns:
      the fastest of some numbers of networks side by side.
    """
    n = len(parts[0].W)
    sizes = sorted({min(size, n) for size in _SIDE_BY_SIDE} | {n})
    return crew.fastest(
        {
            f"{size} networks side by side": partial(side_by_side, parts, program, of_lane, size)
            for size in sizes
        }
    )


def side_by_side(
    parts: list[Networks], program: Callable, of_lane: Callable, size: int, *, once: bool = False
) -> harness.Side:
    """Return what `together` does with `size` networks side by side; see `harness.compiled`."""

    def compiled(nets: Networks) -> harness.Side:
        one = program(nets)
        return harness.compiled(
            lambda *lanes: jax.lax.map(lambda lane: one(*lane), lanes, batch_size=size),
            *of_lane(nets),
            once=once,
        )

    return harness.together([compiled(nets) for nets in parts])


def our_share(quick: bool, probe: str, *, share: Share) -> harness.Side:
    """Return rnnjax's way: a probe that measures one array, over one share of the networks."""
    return together(share_of(quick, share), probed(probe), Networks.lanes)


def probed(probe: str) -> Callable[[Networks], Callable]:
    """Return what makes the function that measures one lane of networks by a probe."""

    def program(nets: Networks) -> Callable:
        def measured(params, x):
            batch = rnnjax.Batch(x, jnp.zeros((len(x), 1)), jnp.ones(len(x)))
            (norms,) = getattr(rnnjax.probes, probe)(nets.cell, None, params, batch).values()
            return norms

        return measured

    return program


def torch_function(name: str) -> Callable:
    """Return PyTorch's activation of this name."""
    import torch

    return getattr(torch, name, lambda z: z)


def torch_states(nets: Networks, n_steps: int, device: str = "cpu") -> list[Any]:
    """Return h_0..h_T of all networks by batched products, with gradients kept, (lanes, n_h)."""
    import torch

    f = torch_function(nets.activation)
    W, U, x = (torch.from_numpy(a).to(device) for a in (nets.W, nets.U, nets.x))
    h = torch.zeros(len(W), N_H, requires_grad=True, device=device)
    states, drive = [h], torch.bmm(x, U.transpose(1, 2))
    for t in range(n_steps):
        h = f(torch.bmm(W, h.unsqueeze(2)).squeeze(2) + drive[:, t])
        h.retain_grad()
        states.append(h)
    return states


def torch_states_of_one(nets: Networks, lane: int, n_steps: int) -> list[Any]:
    """Return h_0..h_T of one network by a plain loop, with gradients kept, (n_h,)."""
    import torch

    f = torch_function(nets.activation)
    W, U, x = (torch.from_numpy(a[lane]) for a in (nets.W, nets.U, nets.x))
    h = torch.zeros(N_H, requires_grad=True)
    states, drive = [h], x @ U.T
    for t in range(n_steps):
        h = f(W @ h + drive[t])
        h.retain_grad()
        states.append(h)
    return states
