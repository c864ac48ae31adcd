"""The vocabulary of rnnjax: what flows between cells, tasks, rules and probes.

Axis glossary, used in every docstring:

====  =====================================================
T     time: the number of steps of one sequence
B     batch: the number of sequences (always the outermost axis, added by `vmap`)
n_x   input features
n_h   state entries (an LSTM's state is ``[h, c]``, so its n_h counts both)
n_y   outputs
====  =====================================================

The mathematics is written for one sequence; batch, seeds and gains are `vmap`ped outside.
The state of a cell is one flat vector ``(n_h,)``, so a Jacobian is a matrix.

Steps are numbered 1..T; ``h_0`` is the initial state and ``h_t = step(params, h_{t-1}, x_t)``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from flax import struct

Array = jax.Array
Params = Any  # a pytree of arrays; our own cells use NamedTuples whose docstring is the equation
StepLoss = Callable[[Array, Array], Array]  # (y_hat (n_y,), y (n_y,)) -> ()


@struct.dataclass
class Batch:
    """One sequence; a batch of sequences is the same object with a leading axis B.

    Attributes:
      x: inputs, (T, n_x).
      y: targets, (T, n_y).
      mask: weight of each step's loss, (T,). The loss of the sequence is
        ``sum_t mask_t * loss(readout(h_t), y_t)``.
      counts: which steps belong to the sequence, bool (T,), the first ones (others are refused, or
        give NaN where they are traced); None for all up to the last one with weight. Steps behind
        are padding, see `rnnjax.masks`.
    """

    x: Array
    y: Array
    mask: Array
    counts: Any = None  # an array or None


class Point(NamedTuple):
    """Where one step is linearised; for many steps, leaves (T, ...).

    Attributes:
      h: h_{t-1}, (n_h,).
      drive: d_t, (n_d,), see `rnnjax.dynamics`.
      preactivation: z_t, (n_z,), of a pre-activation cell; None of any other.
    """

    h: Array
    drive: Array
    preactivation: Array | None = None


@runtime_checkable
class Cell(Protocol):
    """A step: what every probe and rule needs of a recurrent cell, and the body of any scan is one.

    Only `step` is indispensable; `readout` is needed wherever a loss is. `rnnjax.dynamics` lists
    what a cell may define in addition.
    """

    def init(self, key: Array) -> Params:
        """Draw parameters."""
        ...

    def initial_state(self) -> Array:
        """Return h_0, (n_h,)."""
        ...

    def step(self, params: Params, h: Array, x: Array) -> Array:
        """Map (h_{t-1} (n_h,), x_t (n_x,)) to h_t (n_h,)."""
        ...

    def readout(self, params: Params, h: Array) -> Array:
        """Map h_t (n_h,) to logits or values (n_y,)."""
        ...


@runtime_checkable
class PreactivationCell(Cell, Protocol):
    """A cell whose parameters act on the state through its pre-activations alone.

      z_t = W s(h_{t-1}) + d_t,   h_t = g(h_{t-1}, z_t)                             (1)

    `presynaptic` is s and `step_from_preactivation` g. Neither takes parameters: what a parameter
    does to h_t it does through z_t, so that dh_t/dz_t and [s, x, 1] give the gradient, and no rule
    needs the names of the parameters. `step` may be `rnnjax.cells.parts.step`.
    """

    def drive(self, params: Params, x: Array) -> Array:
        """Return d_t, (n_z,), such as U x_t + b, from x_t, (n_x,)."""
        ...

    def recurrent_weights(self, params: Params) -> Array:
        """Return W, (n_z, n_s)."""
        ...

    def presynaptic(self, h: Array) -> Array:
        """Return what the units send through W, s (n_s,), from h_{t-1} (n_h,)."""
        ...

    def step_from_preactivation(self, h: Array, z: Array) -> Array:
        """Return h_t (n_h,) from h_{t-1} (n_h,) and z_t (n_z,)."""
        ...


@runtime_checkable
class Task(Protocol):
    """A source of sequences and the loss of one step."""

    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        ...

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the loss of one step, ()."""
        ...


class RuleOut(NamedTuple):
    """What a learning rule returns.

    Attributes:
      loss: loss of the sequence, ().
      grads: gradient of the loss, shaped as params, every leaf a `rnnjax.scaled.Scaled`; with
        ``per_step=True`` every leaf has a leading axis T (see `Rule.step_axis`).
      state: what the rule carries to the next sequence.
    """

    loss: Array
    grads: Any
    state: Any


@runtime_checkable
class Rule(Protocol):
    """A learning rule: a function to (loss, gradient, carried state).

    Attributes:
      exact: whether the gradient must equal that of automatic differentiation.
      step_axis: how ``per_step=True`` splits the gradient over time. "use": by the step at which
        the weight was used (BPTT); "loss": by the step at which the loss fell due (RTRL, traces).
        The sums agree, the arrays do not.
      stochastic: whether the gradient depends on random numbers, drawn from the key of `init`.
    """

    @property
    def step_axis(self) -> str:
        """How ``per_step=True`` splits the gradient: "use" or "loss"."""
        ...

    @property
    def stochastic(self) -> bool:
        """Whether the gradient depends on random numbers."""
        ...

    @property
    def exact(self) -> bool:
        """Whether the gradient must equal that of automatic differentiation."""
        ...

    def init(self, cell: Cell, params: Params, batch: Batch, key: Array | None = None) -> Any:
        """Return the state carried between sequences; a stochastic rule needs a key."""
        ...

    def __call__(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        batch: Batch,
        state: Any,
        *,
        per_step: bool = False,
    ) -> RuleOut:
        """Return loss, gradient and new state of one sequence."""
        ...
