"""Networks that read a sequence in both directions.

  f^l_t = step(f^l_{t-1}, s^{l-1}_t),   b^l_t = step(b^l_{t+1}, s^{l-1}_t)       (1)
  s^0_t = x_t,   s^l_t = [o(f^l_t), o(b^l_t)]                                    (2)
  y_t   = V s^L_t + c,   Y = V [o(f^L_T), o(b^L_1)] + c                          (3)

with o what a cell sends on (h of an LSTM). Y is the readout of what either direction has reached at
its end, for one target a sequence. Such a network is no cell: its output at a step depends on later
inputs, so it has no step, no Jacobian dh_t/dh_{t-1} of the whole and no Lyapunov spectrum. What
exists is measured here: outputs, dL/dh_t of every layer in both directions, and its norm by lag.

Directions of a sequence that ends at step L turn round at L, not at the end of the arrays.

Schuster and Paliwal, Bidirectional recurrent neural networks, IEEE Transactions on Signal
Processing, 1997.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import boundary, cotangents, directions, fields, layers, masks, scaled, scan
from rnnjax.cells import initial_weights, layered
from rnnjax.directions import BothWays
from rnnjax.ranges import KEY, arguments, refusal
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, StepLoss


class BidirectionalParams(NamedTuple):
    """Parameters of both directions, and y = V s + c with s of equation (2).

    Attributes:
      forward: the parameters of each forward cell, first layer first, as those of a stack.
      backward: those of each backward cell.
      V: readout weights, (n_y, n_s), forward part first.
      c: readout bias, (n_y,).
    """

    forward: tuple[Any, ...]
    backward: tuple[Any, ...]
    V: Array
    c: Array


@fields.dataclass
class Bidirectional:
    """A network of one or more bidirectional layers, equations (1) to (3).

    Attributes:
      forward: the cells that read forward, first layer first.
      backward: the cells that read backward, one for each layer.
      n_y: outputs.
    """

    forward: tuple[Any, ...] = fields.declared(layered.CELLS, static=False)
    backward: tuple[Any, ...] = fields.declared(layered.CELLS, static=False)
    n_y: int = fields.count(default=1)
    why_no_step = (
        ", whose outputs depend on later inputs: use its methods outputs, gradients and "
        "log_norm_by_layer_and_lag"
    )

    def __post_init__(self) -> None:
        if len(self.backward) != len(self.forward):
            raise refusal("backward", f"{len(self.forward)} cells as forward", len(self.backward))
        sizes = [self.n_x, *self._sent_sizes()]
        for name, cells in (("forward", self.forward), ("backward", self.backward)):
            for number, (cell, n) in enumerate(zip(cells, sizes, strict=False), 1):
                if cell.n_x != n:
                    raise refusal(name, f"n_x = {n} of layer {number}", cell.n_x)

    @property
    def n_x(self) -> int:
        """Inputs."""
        n: int = self.forward[0].n_x
        return n

    def _sent_sizes(self) -> list[int]:
        return [
            sum(layered.output_size(cell, number) for cell in both)
            for number, both in enumerate(zip(self.forward, self.backward, strict=True), 1)
        ]

    @arguments(key=KEY)
    def init(self, key: Array) -> BidirectionalParams:
        """Draw the parameters of every cell by its own `init`, and V ~ N(0, 1/n_s)."""
        cells = (*self.forward, *self.backward)
        *keys, key_readout = jax.random.split(key, len(cells) + 1)
        drawn = [layered.drawn(cell, k) for cell, k in zip(cells, keys, strict=True)]
        n, half = self._sent_sizes()[-1], len(self.forward)
        (V,) = initial_weights.normals(key_readout, (self.n_y, n))
        return BidirectionalParams(
            tuple(drawn[:half]), tuple(drawn[half:]), V / n**0.5, jnp.zeros(self.n_y)
        )

    def readout(self, params: BidirectionalParams, sent: Array) -> Array:
        """Return V s + c, (n_y,), from s (n_s,)."""
        return params.V @ sent + params.c

    def outputs(self, params: BidirectionalParams, x: Array, counts: Array | None = None) -> Array:
        """Return y_t of every step, equation (3), (T, n_y); NaN behind the end of the sequence.

        Args:
          params: parameters.
          x: inputs, (T, n_x).
          counts: which steps belong to the sequence, bool (T,), the first ones; all if None.

        Raises:
          ValueError: parameters and inputs do not fit.
        """
        params, batch = self._admitted(params, x, counts)
        y = jax.vmap(lambda s: self.readout(params, s))(self._run(params, batch).sent)
        return jnp.where(batch.counts[:, None], y, jnp.nan)

    def last_output(
        self, params: BidirectionalParams, x: Array, counts: Array | None = None
    ) -> Array:
        """Return Y, equation (3), (n_y,); arguments as in `outputs`."""
        params, batch = self._admitted(params, x, counts)
        run = self._run(params, batch)
        return self.readout(params, run.at_both_ends(masks.last(batch.counts)))

    def gradients(
        self, loss: StepLoss | None, params: BidirectionalParams, batch: Batch
    ) -> tuple[BothWays, ...]:
        """Return dL/dh_t of every layer for the loss sum_t mask_t loss(y_t), as `layers.gradients`.

        Args:
          loss: the loss of one step.
          params: parameters.
          batch: one sequence.

        Returns:
          first layer first, `rnnjax.layers.Deltas` of each direction; those of the backward cell in
          the order of its own steps, the first of which is the last step of the sequence.

        Raises:
          ValueError: an argument does not fit.
        """
        if loss is None:
            raise refusal("loss", "a function (y_hat, y) -> ()", loss)
        params, batch = boundary.admitted_network(
            self, loss, params, batch, seen=self._sent_sizes()[-1]
        )
        run = self._run(params, batch)

        def losses(sent: Array) -> Array:
            y_hat = jax.vmap(lambda s: self.readout(params, s))(masks.of_weight(sent, batch.mask))
            y = masks.of_weight(batch.y, batch.mask)
            return scan.weighed(jax.vmap(loss)(y_hat, y), batch.mask)

        values, pull = jax.vjp(losses, run.sent)
        (g,) = pull(jnp.ones_like(values))
        return run.back(scaled.normalise(g, jnp.zeros(len(g), jnp.int32)))

    def log_norm_by_layer_and_lag(
        self, loss: StepLoss | None, params: BidirectionalParams, batch: Batch
    ) -> dict[str, Array]:
        """Measure ||dL/df^l_{T-k}|| and ||dL/db^l_{1+k}|| at every lag k, L = loss(Y, y).

        Either direction counts lags back from its own end: Y sees f_T and b_1.

        Args:
          loss: a loss of Y and the target of the last step with weight; None for pure transport,
            L = u s with a fixed unit vector u.
          params: parameters.
          batch: one sequence.

        Returns:
          ``log_norm_by_layer``: natural log of the norm, (n_layers, 2, T+1), first layer first,
          forward and backward, index k; NaN beyond the length of the sequence.

        Raises:
          ValueError: an argument does not fit.
        """
        params, batch = boundary.admitted_network(
            self, loss, params, batch, seen=self._sent_sizes()[-1]
        )
        run, end = self._run(params, batch), masks.last(batch.counts)
        found = run.back(self._of_both_ends(loss, params, batch, run.at_both_ends(end)))
        logs = [
            jnp.stack([masks.by_lag(scaled.log_norm(one.by_time()), batch.counts) for one in both])
            for both in found
        ]
        return {"log_norm_by_layer": jnp.stack(logs)}

    def _of_both_ends(
        self, loss: StepLoss | None, params: BidirectionalParams, batch: Batch, sent: Array
    ) -> Scaled:
        """Return d loss / d (what the last layer sends), (T, n_s), the loss being that of Y."""
        y = batch.y[masks.last(batch.mask != 0)]
        if loss is None:
            g = cotangents.unit_cotangent(sent)
        else:
            g = jax.grad(lambda s: loss(self.readout(params, s), y))(sent)
        number, n, end = scaled.normalise(g), len(batch.x), masks.last(batch.counts)
        of_forward = jnp.arange(len(g)) < layered.output_size(self.forward[-1], len(self.forward))
        at_end = layers.at_step(number, end, n).value * of_forward[None]
        at_start = layers.at_step(number, jnp.zeros((), end.dtype), n).value * ~of_forward[None]
        return scaled.normalise(at_end + at_start, jnp.broadcast_to(number.exponent, (n,)))

    def _admitted(
        self, params: BidirectionalParams, x: Array, counts: Array | None
    ) -> tuple[BidirectionalParams, Batch]:
        ones = jnp.ones(jnp.shape(x)[:1])
        whole = jnp.ones(ones.shape, bool) if counts is None else counts
        return boundary.admitted_network(self, None, params, Batch(x, x, ones, whole))

    def _run(self, params: BidirectionalParams, batch: Batch) -> directions.Run:
        """Run the network over a sequence that was cut to its length."""
        forward = layered.seen(self.forward, params.forward)
        backward = layered.seen(self.backward, params.backward)
        return directions.run(forward, backward, batch.x, batch.counts)
