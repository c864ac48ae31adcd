"""D1 to D4: the gradient by lag, and the whole report, of a program that is not rnnjax's own.

A linen LSTM with a head, its loss read at the last step. The yardstick of D1 and D2 is one
`jax.value_and_grad` of the same loss; the peers of D3 give dL/dh_t as well: by perturbations of 0
added to every state, and by PyTorch, a step at a time with the states' gradients retained. The last
case is `value_and_grad` alone, for its memory (D4).
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from benchmarks import harness
from rnnjax import scaled
from rnnjax.diagnosis import measure, weights, window

_N_X = 16


class _Net(nn.Module):
    n_h: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(1)(nn.RNN(nn.OptimizedLSTMCell(self.n_h))(x)[-1])


class _Work(NamedTuple):
    net: _Net
    params: Any
    x: jax.Array

    def loss(self, params: Any, x: jax.Array) -> jax.Array:
        return jnp.sum(self.net.apply(params, x) ** 2)

    def of_batch(self, params: Any, x: jax.Array) -> jax.Array:
        return jnp.sum(jax.vmap(self.loss, (None, 0))(params, x))


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield the cases of D1 to D4."""
    n_h, n_steps, n_examples = (8, 20, 3) if quick else (512, 1000, 32)

    def work() -> _Work:
        net = _Net(n_h)
        x = jax.random.normal(jax.random.key(1), (n_examples, n_steps, _N_X))
        return _Work(net, net.init(jax.random.key(0), x[0]), x)

    message = f"LSTM {n_h}, T {n_steps}, {n_examples} sequences"
    yield lambda: _by_lag(work(), f"D1 the gradient by lag, {message}")
    yield lambda: _report(work(), f"D2 the report without spectra, {message}")
    few = 2 if quick else 8
    yield lambda: _beside_peers(work(), few, f"D3 dL/dh of every step, LSTM {n_h}, {few} sequences")
    yield lambda: harness.Case(f"D4 value_and_grad alone, {message}", _value_and_grad(work()))


def _value_and_grad(work: _Work) -> harness.Side:
    return harness.compiled(jax.value_and_grad(work.of_batch), work.params, work.x)


def _log_norms(work: _Work, params: Any, x: jax.Array) -> jax.Array:
    return jax.vmap(lambda x: scaled.log_norm(rnnjax.recurrences(work.loss, params, x)[0].deltas))(
        x
    )


def _by_lag(work: _Work, name: str) -> harness.Case:
    ours = harness.compiled(lambda p, x: _log_norms(work, p, x), work.params, work.x)
    return harness.Case(name, ours, {"value_and_grad": _value_and_grad(work)})


def _report(work: _Work, name: str) -> harness.Case:
    effort = measure.Effort(64, 1e-3, 4)

    def close(r: rnnjax.jaxprs.Recurrence) -> measure.Rows:
        windows = window.windows(r, min(effort.longest_window, r.length), effort.tolerance)
        return {**weights.by_use(r), **windows}

    sides = [
        harness.compiled(_rows(work, measure.wide), work.params, work.x),
        harness.compiled(_rows(work, close), work.params, work.x[:4]),
    ]
    return harness.Case(name, harness.together(sides), {"value_and_grad": _value_and_grad(work)})


def _rows(work: _Work, measured: Callable) -> Callable:
    def rows(params: Any, x: jax.Array) -> Any:
        return jax.vmap(measure.rows_of(work.loss, params, None, measured))(x)

    return rows


def _beside_peers(work: _Work, n: int, name: str) -> harness.Case:
    x = work.x[:n]
    ours = harness.compiled(lambda p, x: _log_norms(work, p, x), work.params, x)
    perturbed = harness.compiled(lambda p, x: _by_perturbations(work, p, x), work.params, x)

    def by_torch() -> dict[str, harness.Side]:
        return {"PyTorch, states retained": _torch_side(work, x)}

    return harness.Case(
        name,
        ours,
        {"perturbations and grad": perturbed, **harness.where_installed("torch", by_torch)},
        harness.relative("perturbations and grad", np.exp),
        "largest difference of a norm of dL/dh_t, over the largest norm",
    )


def _by_perturbations(work: _Work, params: Any, x: jax.Array) -> jax.Array:
    """Return ln of the norms of dL/d(c_t, h_t) by `grad` of perturbations of 0."""
    cell = nn.OptimizedLSTMCell(work.net.n_h)
    own = {"params": params["params"]["OptimizedLSTMCell_0"]}

    def loss(perturbations: jax.Array, x: jax.Array) -> jax.Array:
        def step(carry: Any, at: Any) -> Any:
            x, (p_c, p_h) = at
            (c, h), _ = cell.apply(own, carry, x)
            return (c + p_c, h + p_h), None

        start = (jnp.zeros(work.net.n_h),) * 2
        (_, h), _ = jax.lax.scan(step, start, (x, perturbations))
        return jnp.sum(nn.Dense(1).apply({"params": params["params"]["Dense_0"]}, h) ** 2)

    zeros = (jnp.zeros((x.shape[1], work.net.n_h)),) * 2
    gradients = jax.vmap(jax.grad(loss), (None, 0))(zeros, x)
    return jnp.log(jnp.linalg.norm(jnp.concatenate(gradients, axis=-1), axis=-1))


def _torch_side(work: _Work, x: jax.Array) -> harness.Side:
    """Return PyTorch's `LSTMCell` in a loop over steps, with each state's gradient retained."""
    import torch

    n_h = work.net.n_h
    cell, head = torch.nn.LSTMCell(_N_X, n_h), torch.nn.Linear(n_h, 1)
    given = torch.from_numpy(np.asarray(x).copy())

    def run() -> np.ndarray:
        h = torch.zeros(len(given), n_h)
        state, states = (h, torch.zeros_like(h)), []
        for t in range(given.shape[1]):
            state = cell(given[:, t], state)
            for part in state:
                part.retain_grad()
            states.append(state)
        (head(state[0]) ** 2).sum().backward()
        return np.stack([torch.cat([h.grad, c.grad], 1).norm(dim=1).numpy() for h, c in states])

    return harness.Side(run)
