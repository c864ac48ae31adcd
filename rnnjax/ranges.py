"""Ranges of the values that arguments may have, and the one-line error for other values.

A range is an object with a method `checked(name, value)`, which returns the value or raises

  NAME: expected ..., got ...

Python numbers, NumPy numbers and arrays, and concrete JAX arrays are checked. The values of tracers
are not known yet and are not checked. No check depends on the truth value of an argument.
"""

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.errors import shown

P = ParamSpec("P")
R = TypeVar("R")


class Range(Protocol):
    """The interface of a range."""

    def checked(self, name: str, value: Any) -> Any:
        """Return the value, with a NumPy number converted to a Python number.

        Raises:
          ValueError: the value is not in the range.
        """
        ...


@dataclass(frozen=True)
class Number:
    """Real numbers between bounds.

    Attributes:
      above: an open lower bound; None for no bound.
      at_least: a closed lower bound.
      below: an open upper bound.
      at_most: a closed upper bound.
      whole: whether only integers are allowed. A float is refused, whatever its value.
      infinite: whether infinity is allowed.
      static: whether arrays and traced values are refused, because the program depends on the
        number.
      optional: whether None is allowed.
    """

    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    whole: bool = False
    infinite: bool = False
    static: bool = False
    optional: bool = False

    def checked(self, name: str, value: Any) -> Any:
        """See `Range`; an array is checked entry by entry."""
        if value is None and self.optional:
            return None
        value = _of_python(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if self._holds(value):
                return value
            raise refusal(name, self, value)
        if self.static or not self._may_hold(value):
            raise refusal(name, self, value)
        for entry in _numbers(value).flat:
            if not self._holds(entry.item()):
                raise refusal(name, self, entry.item(), " in an array")
        return value

    def _holds(self, value: float) -> bool:
        if self.whole and not isinstance(value, int):
            return False
        if not _is_finite(value) and not (self.infinite and value in (math.inf, -math.inf)):
            return False
        return (
            (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )

    def _may_hold(self, value: Any) -> bool:
        """Whether a value is an array whose dtype can hold such numbers."""
        if not _is_array(value):
            return False
        kinds = (np.integer,) if self.whole else (np.integer, np.floating)
        return any(jnp.issubdtype(value.dtype, kind) for kind in kinds)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.at_least is not None and self.at_most is not None:
            bounds = [f"from {self.at_least} to {self.at_most}"]
        else:
            named = {"above": self.above, "of at least": self.at_least}
            named |= {"below": self.below, "at most": self.at_most}
            bounds = [f"{word} {bound}" for word, bound in named.items() if bound is not None]
        if not bounds and not self.whole:
            kind = "a finite number" if not self.infinite else kind
        message = f"{kind} {' and '.join(bounds)}".strip()
        return f"{message} or None" if self.optional else message


COUNT = Number(at_least=1, whole=True, static=True)
COUNT_OR_ZERO = Number(at_least=0, whole=True, static=True)
COUNT_OR_NONE = Number(at_least=1, whole=True, static=True, optional=True)


@dataclass(frozen=True)
class Flag:
    """The values True and False."""

    def checked(self, name: str, value: Any) -> Any:
        """See `Range`."""
        if isinstance(value, (bool, np.bool_)):
            return bool(value)
        raise refusal(name, self, value)

    def __str__(self) -> str:
        return "True or False"


@dataclass(frozen=True)
class Entries:
    """Arrays of finite numbers.

    Attributes:
      axes: their axes, as named in the message; further leading axes are allowed, for lanes.
      optional: whether None is allowed.
      real: whether complex numbers are refused.
    """

    axes: tuple[str, ...]
    optional: bool = True
    real: bool = False

    def checked(self, name: str, value: Any) -> Any:
        """See `Range`."""
        if value is None and self.optional:
            return None
        if not _is_array(value) or len(value.shape) < len(self.axes):
            raise refusal(name, self, value)
        if not any(jnp.issubdtype(value.dtype, kind) for kind in (np.integer, np.inexact)):
            raise refusal(name, self, value)
        if self.real and jnp.issubdtype(value.dtype, jnp.complexfloating):
            raise refusal(name, self, f"one of {value.dtype}", shown_by=str)
        if not np.all(np.isfinite(_numbers(value))):
            raise refusal(name, self, "one with entries that are not finite", shown_by=str)
        return value

    def __str__(self) -> str:
        array = f"an array ({', '.join(self.axes)}) of finite {'real ' * self.real}numbers"
        return array + (" or None" if self.optional else "")


@dataclass(frozen=True)
class Kind:
    """Values that a predicate accepts.

    Attributes:
      accepts: the predicate.
      expected: the description of such values in the message.
      advice: maps a refused value to a hint that is appended to the message, "" for none.
      static: whether the values must have a hash, because programs are distinguished by them.
    """

    accepts: Callable[[Any], bool]
    expected: str
    advice: Callable[[Any], str] = lambda value: ""
    static: bool = True

    def checked(self, name: str, value: Any) -> Any:
        """See `Range`."""
        if not self.accepts(value):
            raise refusal(name, self, value, self.advice(value))
        if self.static and not has_hash(value):
            raise refusal(name, f"{self} that has a hash", value)
        return value

    def __str__(self) -> str:
        return self.expected


@dataclass(frozen=True)
class Key:
    """A single key for random numbers, concrete or traced."""

    def checked(self, name: str, value: Any) -> Any:
        """See `Range`."""
        if isinstance(value, jax.Array | np.ndarray):
            typed = jnp.issubdtype(value.dtype, jax.dtypes.prng_key) and value.shape == ()
            if typed or (value.dtype == jnp.uint32 and value.shape in _RAW_KEYS):
                return value
        raise refusal(name, self, value)

    def __str__(self) -> str:
        return "one key, as jax.random.key(0) makes it"


_RAW_KEYS = ((2,), (4,))  # of threefry2x32, and of rbg and unsafe_rbg
KEY = Key()


def arguments(**ranges: Range) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function so that each named argument is checked by its range before the call.

    The ranges are stored in the attribute `ranges` of the function.
    """

    def checking(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                given = signature.bind(*args, **kwargs)
            except TypeError:  # the function itself raises the clearest error
                return function(*args, **kwargs)
            for name in given.arguments.keys() & ranges.keys():
                given.arguments[name] = ranges[name].checked(name, given.arguments[name])
            return function(*given.args, **given.kwargs)

        vars(checked)["ranges"] = ranges
        return checked

    return checking


def refusal(
    name: str,
    expected: object,
    value: object,
    advice: str = "",
    shown_by: Callable[[object], str] = shown,
) -> ValueError:
    """Return the error for an argument `name` whose `value` is not as expected."""
    return ValueError(f"{name}: expected {expected}, got {shown_by(value)}{advice}")


def is_exactly(value: Any, number: float) -> bool:
    """Return whether a value is known to equal `number`; False for traced values."""
    value = _of_python(value)
    if isinstance(value, (int, float)):
        return value == number
    found = _numbers(value) if _is_array(value) else np.empty(0)
    return found.size > 0 and bool(np.all(found == number))


def _of_python(value: Any) -> Any:
    """Return a NumPy number as a Python number, which adopts the dtype of the other operand."""
    if type(value) in (int, float):
        return value
    if isinstance(value, np.integer):
        return int(value)
    return float(value) if isinstance(value, np.floating) else value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, jax.Array, jax.ShapeDtypeStruct))


def _numbers(value: Any) -> np.ndarray:
    """Return the entries of an array if they are available, else an empty array."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (jax.core.Tracer, jax.ShapeDtypeStruct)):
        return np.empty(0)
    if value.is_deleted() or not value.is_fully_addressable:
        return np.empty(0)
    found: np.ndarray = jax.device_get(value)
    return found if found.dtype.kind in "iufc" else found.astype(float)


def has_hash(value: Any) -> bool:
    """Return whether a value has a hash."""
    try:
        hash(value)
    except TypeError:
        return False
    return True
