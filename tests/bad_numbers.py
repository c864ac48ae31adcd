"""Numbers just inside and just outside a range, and what is no number at all."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest


def is_numeric(annotation):
    """Whether it is of a number or a flag, and not of several or of a function."""
    message = str(annotation)
    return bool(re.search(r"\b(int|float|bool)\b", message)) and not re.search(
        "tuple|Sequence|dict|Callable", message
    )


def outside(range_):
    """Values that a range of numbers must refuse: just outside, of a wrong type, not finite."""
    yield from ("1", 1j, True, np.bool_(False), [1.0], (1,), object(), float, jnp.tanh)
    yield from (np.nan, float("nan"), np.float32(np.nan), jax.random.key(0), 10**400, -(10**400))
    if not range_.optional:
        yield None
    if not range_.infinite:
        yield from (np.inf, -np.inf, np.float32(np.inf))
    if range_.whole:
        yield from (2.5, 2.0, np.float64(2))
    step = 1 if range_.whole else 1e-9
    beside = {"above": 0, "at_least": -step, "below": 0, "at_most": step}
    bounds = {side: getattr(range_, side) for side in beside}
    bad = [bound + beside[side] for side, bound in bounds.items() if bound is not None]
    yield from bad
    if range_.static:
        yield from (np.ones(()), jnp.ones((), int), jax.ShapeDtypeStruct((), int))
        return
    good = 1 if range_.whole else 0.5
    yield from (np.array([good, b]) for b in bad)
    yield from (jnp.array([good, b]) for b in bad if jnp.asarray(b) == b)
    yield from (np.array([True]), jnp.zeros(2, bool), np.ones(2, complex), np.array(["1"]))
    if not range_.whole:
        yield from (np.array([good, np.nan]), jnp.array([[np.nan]]))


def inside(range_):
    """The edges of a range, and numbers of NumPy on them."""
    step = 1 if range_.whole else 1e-9
    beside = {"above": step, "at_least": 0, "below": -step, "at_most": 0}
    bounds = {side: getattr(range_, side) for side in beside}
    edges = [bound + beside[side] for side, bound in bounds.items() if bound is not None]
    edges += [-3, 0, 7] if not edges else []
    edges += [np.inf] if range_.infinite else []
    edges += [None] if range_.optional else []
    return edges


def assert_refused(call, name):
    with pytest.raises(ValueError, match=f"^{name}: expected ") as told:
        call()
    assert "\n" not in str(told.value) and len(str(told.value)) < 400
    assert ", got " in str(told.value)
