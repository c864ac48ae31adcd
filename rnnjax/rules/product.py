"""Forward rules as points of a product: influence x transport x learning signal.

  M_t = keep(T_t M_{t-1} + D_t),   M_0 = 0                                     (1)
  dl_t/dw ~ s_t M_t                                                            (2)

D_t = dh_t/dw with h_{t-1} held fixed. A rule is determined by three choices:

  influence    what is kept of M_t: all of it, a pattern, what stays within a unit, a product of two
               vectors, a Kronecker product, nothing (`rnnjax.rules.influences`)
  transport    T_t, what stands for the Jacobian J_t: itself, discounted, its part within units, the
               leak, a learned kernel (`rnnjax.rules.transports`)
  signal       s_t, what stands for dl_t/dh_t: itself, through random feedback weights, with a
               prediction of what the future will send back (`rnnjax.rules.signals`)

With all of M_t, J_t and dl_t/dh_t this is real-time recurrent learning and exact. The view is that
of Marschall, Cho and Savin, A unified framework of online learning algorithms for training
recurrent neural networks, Journal of Machine Learning Research, 2020.
"""

from typing import Any, NamedTuple

import jax

from rnnjax.rules import unit_filter
from rnnjax.rules.factors import Factors
from rnnjax.rules.influence import Blocks
from rnnjax.rules.online import Carried, ObservedStep
from rnnjax.rules.online_rule import OnlineRule
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, RuleOut


class Prepared(NamedTuple):
    """What a step of a product with a learning factor needs, before it is put together."""

    direct: Any
    transport: Any
    signal: Any
    g: Scaled
    x: Array


class Product(OnlineRule):
    """A rule that equations (1) and (2) define.

    Attributes:
      point: its three factors.
    """

    point: Any

    @property
    def exact(self) -> bool:
        """Whether no factor approximates."""
        return all(factor.exact for factor in self.point)

    @property
    def stochastic(self) -> bool:
        """Whether a factor draws random numbers."""
        return any(factor.stochastic for factor in self.point)

    @property
    def step_axis(self) -> str:
        """How steps are split: by the loss, unless the signal foresees what comes from later."""
        return "use" if self.point.signal.learns else "loss"

    def noise(self, problem: Problem, key: Array | None, n_steps: int) -> Factors | None:
        """Return the random numbers of each factor that draws any."""
        if key is None:
            return None
        n_drawing = sum(factor.stochastic for factor in self.point)
        keys = iter(jax.random.split(key, n_drawing) if n_drawing > 1 else [key])
        return Factors(
            *(f.noise(problem, next(keys), n_steps) if f.stochastic else None for f in self.point)
        )

    def signals(self, problem: Problem, h: Array, batch: Batch) -> tuple[Array, Scaled]:
        """Return losses and learning signals of S steps with states h, (S, n_h)."""
        found: tuple[Array, Scaled] = self.point.signal.of_losses(problem, h, batch)
        return found

    def init_learned(self, problem: Problem, batch: Batch) -> Factors:
        """Return what each factor knows before the first sequence."""
        self.require(problem, batch.x[0])
        return Factors(*(factor.init_learned(problem, batch) for factor in self.point))

    def begin(self, problem: Problem, x: Array, learned: Factors) -> Factors:
        """Return M_0 = 0, and the memory of the other factors."""
        self.require(problem, x)
        both = zip(self.point, learned, strict=True)
        return Factors(*(factor.begin(problem, x, own) for factor, own in both))

    def learned(self, memory: Factors) -> Factors:
        """Return what of each factor's memory outlives a sequence."""
        both = zip(self.point, memory, strict=True)
        return Factors(*(factor.learned(own) for factor, own in both))

    def restarted(self, problem: Problem, x: Array, fresh: Factors, memory: Factors) -> Factors:
        """Return M_0 = 0 beside the other factors, whose memory goes on."""
        return memory._replace(influence=fresh.influence)

    def prepare(self, problem: Problem, observed: ObservedStep) -> Any:
        """Return D_t, T_t and s_t as the influence needs them, or what they will be made of."""
        influence, transport, signal = self.point
        noise = observed.noise or Factors(None, None, None)
        own = [observed._replace(noise=n) for n in noise]
        D, x, g = influence.direct(problem, own[0]), observed.batch.x, observed.g
        if transport.learns:
            T = transport.prepare(problem, own[1])
        else:
            T = influence.stored(problem, transport, observed)
        if transport.learns or signal.learns:
            return Prepared(D, T, signal.prepare(problem, own[2]), g, x)
        return influence.arranged(problem, x, D, T, g)

    def step(self, problem: Problem, memory: Factors, prepared: Any) -> tuple[Factors, Blocks]:
        """Return M_t and s_t M_t, equations (1) and (2)."""
        influence, transport, signal = self.point
        kept, seen, known = memory
        if isinstance(prepared, Prepared):
            D, T, own, g, x = prepared
            if signal.learns:
                known, g = signal.step(problem, known, own, g)
            if transport.learns:
                seen, tangent, g = transport.step(problem, seen, T, g)
                T = influence.of_tangent(problem, x, tangent)
            prepared = influence.arranged(problem, x, D, T, g)
        kept, grads = influence.step(problem, kept, prepared)
        return Factors(kept, seen, known), grads

    def over_sequence(
        self, problem: Problem, batch: Batch, state: Carried, per_step: bool
    ) -> RuleOut:
        """Return the gradient of a sequence; by a filter on the signals where that is the same."""
        self.require(problem, batch.x[0])
        influence, transport, signal = self.point
        learns = transport.learns or signal.learns
        if per_step or learns or not influence.is_filter(problem, batch.x[0]):
            return super().over_sequence(problem, batch, state, per_step)
        return unit_filter.run(self, problem, batch, state)

    def require(self, problem: Problem, x: Array) -> None:
        """Refuse a network on which a factor is not defined; x is any input, (n_x,)."""
        for factor in self.point:
            factor.require(self, problem, x)
