"""A jaxpr as a sequence of pieces: recurrences (`Loop`), and everything between them (`Plain`).

A recurrence is a `scan` with a floating-point carry, in any program. Calls that hold one (`jit`,
`checkpoint`, closed calls) are opened, so that the recurrences of a program stand in a row;
equations between them are kept as they are, in jaxprs of their own. Functions with a derivative
rule of their own are never opened: their rule is what defines their derivative.

The variables of new carries are marked. No piece reads a marked variable that it has computed
itself, so what flows back into a marked variable is complete before the piece that computed it is
differentiated.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax.extend.core as jex
import jax.numpy as jnp
from jax.extend.core import primitives

from rnnjax.jaxprs import sources

OPENED = (primitives.jit_p, primitives.remat_p, primitives.closed_call_p, primitives.call_p)
Atom = Any  # a jaxpr's Var or Literal


class Plain(NamedTuple):
    """Equations without a recurrence: a jaxpr whose inputs and outputs are variables."""

    jaxpr: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


class Loop:
    """A scan.

    Attributes:
      equation: the scan, in the variables of its program.
      body: the program of one step: (constants, carry, inputs of the step) -> (carry, outputs).
      scope: the named scopes around it.
      name: the path of its module, "" where the program does not say.
      line: "file.py:41".
    """

    def __init__(self, equation: Any, scope: tuple[str, ...]) -> None:
        self.equation = equation
        self.inputs = tuple(equation.invars)
        self.outputs = tuple(equation.outvars)
        params = equation.params
        self.n_constants, self.n_carried = counts_of(equation)
        self.length, self.reverse = params["length"], params["reverse"]
        self.unroll = params["unroll"]
        self.jaxpr = params["jaxpr"]
        self.scope, self.name = scope, "/".join(scope)
        self.line = sources.line_of(equation)
        self.body = opened(self.jaxpr, marks_carry=self.n_carried)

    def __copy__(self) -> "Loop":
        return self  # a program never changes

    def __deepcopy__(self, _: Any) -> "Loop":
        return self

    def __reduce__(self) -> Any:
        message = (
            "a recurrence holds the traced program and cannot be pickled: save its arrays, as in"
        )
        raise TypeError(f"{message} (r.deltas, r.states)")

    @property
    def carried(self) -> list[Any]:
        """The shapes of the leaves of the carry."""
        start = self.n_constants
        return self.jaxpr.in_avals[start : start + self.n_carried]

    @property
    def moving(self) -> list[int]:
        """The numbers of the leaves of the carry that have derivatives."""
        return [i for i, leaf in enumerate(self.carried) if has_derivative(leaf)]

    @property
    def is_leaf(self) -> bool:
        """Whether no other recurrence stands inside."""
        return not any(isinstance(piece, Loop) for piece in self.body.pieces)


class Program(NamedTuple):
    """Pieces in order of execution.

    Attributes:
      inputs: variables, those of the jaxpr.
      constants: values of further variables, known when the program was traced.
      pieces: `Plain` and `Loop`.
      outputs: variables or literals.
      marked: the variables of new carries that an equation of this program computes.
    """

    inputs: tuple[Any, ...]
    constants: dict[Any, Any]
    pieces: tuple[Any, ...]
    outputs: tuple[Atom, ...]
    marked: frozenset[Any]

    @property
    def loops(self) -> list[Loop]:
        """The recurrences in order of execution, without those inside of others."""
        return [piece for piece in self.pieces if isinstance(piece, Loop)]


def has_derivative(leaf: Any) -> bool:
    """Return whether an array, or the shape of one, is floating point."""
    return jnp.issubdtype(leaf.dtype, jnp.inexact)


def is_literal(atom: Atom) -> bool:
    """Return whether an atom is a constant written into its jaxpr."""
    return isinstance(atom, jex.Literal)


def read(env: dict[Any, Any], atom: Atom) -> Any:
    """Return the value of a variable or literal."""
    return atom.val if is_literal(atom) else env[atom]


def holds_loop(jaxpr: Any) -> bool:
    """Return whether a recurrence stands in a jaxpr, at any depth that can be opened."""
    return any(is_loop(e) or (is_call(e) and holds_loop(inner_of(e))) for e in _plain(jaxpr).eqns)


def is_loop(equation: Any) -> bool:
    """Return whether an equation is a scan that carries floating-point numbers, or holds one.

    One of no steps is none: it has no state to measure.
    """
    if equation.primitive is not primitives.scan_p or equation.params["length"] == 0:
        return False
    start, n = counts_of(equation)
    body = equation.params["jaxpr"]
    carried = body.in_avals[start : start + n]
    return any(has_derivative(leaf) for leaf in carried) or holds_loop(body)


def counts_of(scan: Any) -> tuple[int, int]:
    """Return how many operands of a scan are constants, and how many its carry."""
    params = scan.params
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    constants, carry, _ = params["ft_in"].unpack()  # JAX 0.12 and newer
    return len(list(constants)), len(list(carry))


def is_call(equation: Any) -> bool:
    """Return whether an equation calls a jaxpr and means nothing else."""
    return equation.primitive in OPENED


def inner_of(equation: Any) -> Any:
    """Return the jaxpr that an equation calls."""
    return equation.params["call_jaxpr" if "call_jaxpr" in equation.params else "jaxpr"]


def _plain(jaxpr: Any) -> Any:
    return jaxpr.jaxpr if isinstance(jaxpr, jex.ClosedJaxpr) else jaxpr


def opened(closed: Any, marks_carry: int = 0) -> Program:
    """Return a jaxpr as a program.

    Args:
      closed: the jaxpr with its constants.
      marks_carry: how many of its outputs, the first ones, are a new carry.
    """
    # In a step, every call is opened: an output may be computed from a new carry within it.
    opening, inputs, outputs = _gathered(closed, opens_all=marks_carry > 0)
    computed = {v for equation, _ in opening.equations for v in equation.outvars}
    marked = frozenset(v for v in outputs[:marks_carry] if not is_literal(v) and v in computed)
    wanted = {v for v in outputs if not is_literal(v)}
    pieces = _split(opening.equations, marked, wanted, closed.jaxpr)
    return Program(tuple(inputs), opening.constants, pieces, tuple(outputs), marked)


class Equations(NamedTuple):
    """The equations of a jaxpr with every call opened.

    Attributes:
      inputs: variables, those of the jaxpr.
      constants: values of further variables.
      all: the equations in order.
      outputs: variables or literals.
    """

    inputs: tuple[Any, ...]
    constants: dict[Any, Any]
    all: tuple[Any, ...]
    outputs: tuple[Atom, ...]


def equations_of(closed: Any) -> Equations:
    """Return the equations of a jaxpr with every call opened."""
    opening, inputs, outputs = _gathered(closed, opens_all=True)
    equations = tuple(equation for equation, _ in opening.equations)
    return Equations(tuple(inputs), opening.constants, equations, tuple(outputs))


def _gathered(closed: Any, *, opens_all: bool) -> tuple["_Opening", list[Any], list[Atom]]:
    """Return the equations of a jaxpr, its inputs and its outputs."""
    opening = _Opening(opens_all)
    inputs = [jex.Var(v.aval) for v in closed.jaxpr.invars]
    return opening, inputs, opening.enter(closed, inputs, ())


class _Opening:
    """Equations gathered from a jaxpr and the calls in it, each call in variables of its own."""

    def __init__(self, opens_all: bool) -> None:
        self.opens_all = opens_all
        self.equations: list[tuple[Any, tuple[str, ...]]] = []
        self.constants: dict[Any, Any] = {}

    def enter(self, jaxpr: Any, inputs: Sequence[Atom], scope: tuple[str, ...]) -> list[Atom]:
        """Gather the equations of a jaxpr called with some atoms; return its outputs."""
        new: dict[Any, Atom] = {}
        if isinstance(jaxpr, jex.ClosedJaxpr):
            for var, value in zip(jaxpr.jaxpr.constvars, jaxpr.consts, strict=True):
                new[var] = jex.Var(var.aval)
                self.constants[new[var]] = value
            jaxpr = jaxpr.jaxpr
        new |= dict(zip(jaxpr.invars, inputs, strict=True))

        def renamed(atoms: Iterable[Atom]) -> list[Atom]:
            return [atom if is_literal(atom) else new[atom] for atom in atoms]

        for equation in jaxpr.eqns:
            inner_scope = scope + sources.scope_of(equation)
            operands = renamed(equation.invars)
            if is_call(equation) and (self.opens_all or holds_loop(inner_of(equation))):
                results = self.enter(inner_of(equation), operands, inner_scope)
                new |= dict(zip(equation.outvars, results, strict=True))
                continue
            results = [jex.Var(v.aval) for v in equation.outvars]
            new |= dict(zip(equation.outvars, results, strict=True))
            renamed_equation = equation.replace(invars=operands, outvars=results)
            self.equations.append((renamed_equation, inner_scope))
        return renamed(jaxpr.outvars)


def _split(
    equations: list[tuple[Any, tuple[str, ...]]],
    marked: frozenset[Any],
    wanted: set[Any],
    whole: Any,
) -> tuple[Any, ...]:
    """Return the pieces of a row of equations, some of whose variables are wanted afterwards."""
    groups: list[list[Any]] = [[]]
    own: set[Any] = set()  # the marked variables that the last group has computed
    for equation, scope in equations:
        if is_loop(equation):
            groups += [[(equation, scope)], []]
            own = set()
            continue
        if any(not is_literal(v) and v in own for v in equation.invars):
            groups.append([])
            own = set()
        groups[-1].append((equation, scope))
        own |= marked & set(equation.outvars)
    pieces: list[Any] = []
    needed = set(wanted)
    for group in reversed([group for group in groups if group]):
        equation, scope = group[0]
        piece = Loop(equation, scope) if is_loop(equation) else _plain_piece(group, needed, whole)
        if piece is None:
            continue
        needed |= {v for v in piece.inputs if not is_literal(v)}
        pieces.append(piece)
    return tuple(reversed(pieces))


def _plain_piece(group: list[Any], needed: set[Any], whole: Any) -> Plain | None:
    """Return equations as one piece that gives the variables needed behind it."""
    equations = [equation for equation, _ in group]
    computed = [v for equation in equations for v in equation.outvars]
    outputs = [v for v in computed if v in needed]
    kept: list[Any] = []
    used = set(outputs)
    for equation in reversed(equations):
        if equation.effects or any(v in used for v in equation.outvars):
            kept.append(equation)
            used |= {v for v in equation.invars if not is_literal(v)}
    if not kept:
        return None
    kept.reverse()
    of_own = {v for equation in kept for v in equation.outvars}
    inputs = list(
        dict.fromkeys(v for e in kept for v in e.invars if not is_literal(v) and v not in of_own)
    )
    effects = frozenset().union(*(equation.effects for equation in kept))
    jaxpr = whole.replace(constvars=[], invars=inputs, outvars=outputs, eqns=kept, effects=effects)
    return Plain(jex.ClosedJaxpr(jaxpr, ()), tuple(inputs), tuple(outputs))
