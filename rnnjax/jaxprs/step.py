"""One step of a scan as a differentiable function, with its new carry cut from what reads it.

  new_t = f(w, h_{t-1}, x_t),   y_t = o(w, h_{t-1}, x_t, new_t)                           (1)

The second function is the body of the scan with every variable of the new carry taken as given.
An output that is such a variable, or is computed from it, then acts on new_t alone, so that

  g_t = (do/dnew)^T ybar_t,   delta_t = g_t + arriving_t                                   (2)
  arriving_{t-1} = (df/dh)^T delta_t + (do/dh)^T ybar_t                                    (3)

and delta_t = dL/dnew_t counts what step t sends out itself.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.extend.core as jex

from rnnjax.jaxprs.half import widened
from rnnjax.jaxprs.program import Loop, is_literal, read
from rnnjax.jaxprs.run import evaluate
from rnnjax.types import Array


class Outputs(NamedTuple):
    """How the outputs of a step that matter depend on its new carry.

    Attributes:
      sent: the numbers of the outputs that something behind the scan has a derivative with respect
        to.
      places: where they stand among the leaves of the new carry that have derivatives; None where
        one of them is no such leaf.
    """

    sent: tuple[int, ...]
    places: tuple[int, ...] | None


def outputs_of(loop: Loop, sent: Sequence[int]) -> Outputs:
    """Return how some outputs of a step, given by their numbers, depend on its new carry."""
    new, ys = loop.body.outputs[: loop.n_carried], loop.body.outputs[loop.n_carried :]
    place: dict[Any, int] = {}
    for place_, i in enumerate(loop.moving):
        if not is_literal(new[i]) and new[i] in loop.body.marked:
            place.setdefault(new[i], place_)
    found = tuple(None if is_literal(ys[i]) else place.get(ys[i]) for i in sent)
    same = tuple(p for p in found if p is not None)
    return Outputs(tuple(sent), same if len(same) == len(found) else None)


class Step(NamedTuple):
    """The functions of equation (1) for some inputs, in float32 in place of half precision."""

    loop: Loop

    def new(self, constants: list[Any], carried: list[Any], x: list[Any]) -> list[Array]:
        """Return the leaves of the new carry that have derivatives."""
        out = widened(jex.jaxpr_as_fun(self.loop.jaxpr), self.loop.jaxpr)(*constants, *carried, *x)
        return [out[i] for i in self.loop.moving]

    def both(
        self,
        constants: list[Any],
        carried: list[Any],
        x: list[Any],
        new: Sequence[Array],
        sent: Sequence[int],
    ) -> tuple[list[Array], list[Array]]:
        """Return the new carry as it is computed, and some outputs where it is as given."""
        return self.new(constants, carried, x), self._sent(constants, carried, x, new, sent)

    def _sent(
        self,
        constants: list[Any],
        carried: list[Any],
        x: list[Any],
        new: Sequence[Array],
        sent: Sequence[int],
    ) -> list[Array]:
        body = self.loop.body
        given = self._by_variable(new)
        env = {**body.constants, **dict(zip(body.inputs, [*constants, *carried, *x], strict=True))}
        for piece in body.pieces:
            values = [read(env, atom) for atom in piece.inputs]
            function = widened(lambda *v, piece=piece: evaluate(piece, list(v)), piece.jaxpr)
            results = dict(zip(piece.outputs, function(*values), strict=True))
            env |= {v: given.get(v, value) for v, value in results.items()}
        return [read(env, body.outputs[self.loop.n_carried + i]) for i in sent]

    def _by_variable(self, new: Sequence[Array]) -> dict[Any, Array]:
        given: dict[Any, Array] = {}
        for i, value in zip(self.loop.moving, new, strict=True):
            var = self.loop.body.outputs[i]
            if not is_literal(var) and var in self.loop.body.marked:
                given.setdefault(var, value)
        return given
