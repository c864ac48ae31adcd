"""Learning in windows with a memory that is carried on: what a rule sees of one parameter.

A network that never begins anew makes K steps, and then its parameter moves,

  theta <- theta - rate (s - 1) c,                                               (1)

with s the output after these steps and c = ds/dtheta as the rule sees it. Truncated backpropagation
sees the last K steps, rules that run forward in time what they remember. The network is the chain
of `rnnjax.tasks.InfluenceChain`, which rests where a window is shorter than the longest one.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.ranges import COUNT, Number, arguments, refusal
from rnnjax.rules import BPTT, TruncatedBPTT, online
from rnnjax.rules.problem import Problem
from rnnjax.tasks import InfluenceChain, resting_then
from rnnjax.types import Array, Batch

Window = Callable[[Any, Array, Array], tuple[Any, Array, Array]]
"""(network, theta, number of the window) -> (network, s, c)."""


class Run(NamedTuple):
    """A training by equation (1).

    Attributes:
      theta: before the first update and after each, (n_updates + 1,).
      seen: c at each update, (n_updates,).
      after: c after 1, 2, .. steps from the start, (n_steps,).
    """

    theta: Array
    seen: Array
    after: Array


@arguments(learning_rate=Number(above=0), longest=COUNT, n_steps=COUNT, n_updates=COUNT)
def learn_in_windows(
    rule: Any,
    cell: InfluenceChain,
    window: Array | int,
    learning_rate: Array | float,
    key: Array,
    *,
    longest: int,
    n_steps: int,
    n_updates: int,
) -> Run:
    """Train theta with an update after every window.

    Args:
      rule: `BPTT`, truncated by the window, or a rule that runs forward in time.
      cell: the network; its theta is the start.
      window: K, from 1 to `longest`; may be traced.
      learning_rate: rate.
      key: of a stochastic rule.
      longest: steps of the program of a window.
      n_steps: steps over which the sensitivity is followed.
      n_updates: updates.

    Raises:
      ValueError: an argument is out of its range, or the rule is neither of these two.
    """
    if not (rule.exact if isinstance(rule, BPTT) else hasattr(rule, "prepare")):
        raise refusal("rule", "BPTT() or a rule that runs forward in time", rule)
    batch = resting_then(window, longest)
    learner = _truncated if isinstance(rule, BPTT) else _online
    network, of_window, after = learner(rule, cell, batch, n_steps, key)

    def update(carry: tuple[Any, Array], n: Array) -> tuple[tuple[Any, Array], tuple[Array, Array]]:
        network, theta = carry
        network, s, seen = of_window(network, theta, n)
        return (network, theta - learning_rate * (s - 1) * seen), (theta, seen)

    start = network, jnp.asarray(cell.theta, after.dtype)
    (_, end), (thetas, seen) = jax.lax.scan(update, start, jnp.arange(n_updates))
    return Run(jnp.append(thetas, end), seen, after)


def _output(y_hat: Array, y: Array) -> Array:
    """Return s itself: its gradient is the sensitivity, and times s - 1 that of the loss."""
    return y_hat[0]


def _truncated(
    _: BPTT, cell: InfluenceChain, batch: Batch, n_steps: int, key: Array
) -> tuple[Any, Window, Array]:
    """Return the state, what is done in a window, and sensitivities by step."""
    longest = len(batch.x)
    n = max(longest, n_steps)
    whole, params = TruncatedBPTT(n, carries=True), cell.init(key)
    rule = TruncatedBPTT(longest, carries=True)
    state = rule.init(cell, params, batch)

    def window(
        state: Any, theta: Array, _: Array | int, rule: Any = rule, batch: Batch = batch
    ) -> tuple[Any, Array, Array]:
        out = rule(cell, _output, {"theta": theta}, batch, state)
        return out.state, out.loss, scaled.plain(out.grads)["theta"]

    def after(n_seen: Array) -> Array:
        return window(state, params["theta"], 0, whole, resting_then(n_seen, n))[2]

    return state, window, jax.vmap(after)(jnp.arange(1, n_steps + 1))


def _online(
    rule: Any, cell: InfluenceChain, batch: Batch, n_steps: int, key: Array
) -> tuple[Any, Window, Array]:
    """Return the same for an online rule, whose memory is carried on as well."""
    params, plain = cell.init(key), scaled.plain
    state = rule.init(cell, params, batch, key)
    start, _, _ = online.start(rule, Problem(cell, _output, params), batch.x[0], state)

    def window(network: Any, theta: Array, n: Array) -> tuple[Any, Array, Array]:
        state, memory = network
        params = {"theta": jnp.full_like(cell.init(key)["theta"], theta)}
        problem = Problem(cell, _output, params)
        noise = rule.noise(problem, jax.random.fold_in(key, n), len(batch.x))
        state, observed = online.observe(rule, problem, state, batch, noise)
        prepared = jax.vmap(lambda at: rule.prepare(problem, at))(observed)

        def step(memory: Any, at: tuple[Array, Any]) -> tuple[Any, Array]:
            moves, now = at
            moved, grads = rule.step(problem, memory, now)
            # While the network rests the memory does: new noise would be noise about nothing.
            kept = jax.tree.map(lambda a, b: jnp.where(moves > 0, a, b), moved, memory)
            return kept, jax.tree.reduce(
                jnp.add, jax.tree.map(jnp.sum, plain(grads)), jnp.zeros(())
            )

        memory, seen = jax.lax.scan(step, memory, (batch.x[:, 0], prepared))
        return (state, memory), state.value[0], seen[-1]

    ones = jnp.ones((n_steps, 1))
    every = Batch(ones, ones, ones[:, 0])
    state = rule.init(cell, params, every, key)
    grads = plain(rule(cell, _output, cell.init(key), every, state, per_step=True).grads)
    return start, window, jnp.sum(grads["theta"].reshape(n_steps, -1), axis=1)
