"""The factors of a rule, and what each of them has in common with the others."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from rnnjax import scaled
from rnnjax.rules.online import ObservedStep
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Batch


class Factors(NamedTuple):
    """One value for each factor of a rule: the factors themselves, or the memory of each."""

    influence: Any
    transport: Any
    signal: Any


class Factor:
    """Defaults of all factors: no requirement, no noise, nothing learned.

    Attributes:
      exact: whether nothing is approximated.
      stochastic: whether it draws random numbers.
      learns: whether it changes with what it sees; then `begin`, `prepare` and `step` say how.
    """

    exact: Any = False
    stochastic = False
    learns = False

    def require(self, rule: Any, problem: Problem, x: Array) -> None:
        """Refuse a network on which the factor is not defined; x is any input, (n_x,).

        Raises:
          ValueError: it is not defined.
        """

    def init_learned(self, problem: Problem, batch: Batch) -> Any:
        """Return what is known of the network before the first sequence."""
        return ()

    def learned(self, memory: Any) -> Any:
        """Return what of the memory outlives a sequence."""
        return ()

    def noise(self, problem: Problem, key: Array, n_steps: int) -> Any:
        """Return the random numbers of a sequence, leading axis T."""
        return None

    def begin(self, problem: Problem, x: Array, learned: Any) -> Any:
        """Return the memory at the start of a sequence."""
        return ()

    def prepare(self, problem: Problem, observed: ObservedStep) -> Any:
        """Return what a step needs and the memory has no part in."""
        return ()


class Influence(Factor, ABC):
    """What is kept of M_t: the first factor."""

    @abstractmethod
    def direct(self, problem: Problem, observed: ObservedStep) -> Any:
        """Return D_t as it is needed here."""

    @abstractmethod
    def of_tangent(self, problem: Problem, x: Array, tangent: Any) -> Any:
        """Return T_t as it is needed here; x is the input, (n_x,)."""

    def stored(self, problem: Problem, transport: Any, observed: ObservedStep) -> Any:
        """Return T_t of one step as it is needed here, from a transport without a memory."""
        tangent = transport.tangent(problem, observed.trajectory)
        return self.of_tangent(problem, observed.batch.x, tangent)

    @abstractmethod
    def arranged(self, problem: Problem, x: Array, D: Any, T: Any, s: Scaled) -> Any:
        """Return D_t, T_t and the signal s_t, (n_h,), as `step` takes them."""

    @abstractmethod
    def step(self, problem: Problem, memory: Any, prepared: Any) -> tuple[Any, Any]:
        """Return M_t and s_t M_t."""

    def is_filter(self, problem: Problem, x: Array) -> bool:
        """Whether the sum over a sequence is that of a filter within units on the signals."""
        return False


class Transport(Factor, ABC):
    """What stands for J_t: the second factor.

    One that learns has in the place of `tangent` a ``step(problem, memory, prepared, s)`` that
    returns its memory, T_t and the signal as it reaches M_t.
    """

    @abstractmethod
    def tangent(self, problem: Problem, at: Trajectory) -> Any:
        """Return T_t of one step, an operator as in `rnnjax.tangents`."""

    def stored(self, problem: Problem, at: Trajectory) -> Any:
        """Return what is stored of T_t; its ``bound(cell, params)`` is T_t again."""
        return Whole(self.tangent(problem, at))


class Whole(NamedTuple):
    """A tangent that is stored as it is."""

    tangent: Any

    def bound(self, cell: Any, params: Any) -> Any:
        """Return the tangent."""
        return self.tangent


def matrix(tangent: Any) -> Scaled:
    """Return T_t, value (n_h, n_h), exponent (), its largest entry of order 1."""
    T = tangent.as_matrix()
    return scaled.normalise(T.value, T.exponent)
