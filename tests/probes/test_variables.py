"""What probes and analyses return is what `rnnjax.variables` declares, by name and by dims."""

import functools
import inspect
import pkgutil
from importlib import import_module

import jax
import numpy as np
import pytest

import rnnjax
from rnnjax.losses import squared_error
from rnnjax.variables import VARIABLES, named
from tests.stand_ins import of_ones

# T = 6 steps, two layers, 3 + 2 state entries.
SIZES = {
    "lag": 7, "length": 6, "step": 6, "product_lag": 6, "turn": 5, "index": 5, "entry": 5,
    "layer": 2, "axis": 2, "first_lag": 3, "weight": 9, "past": 4,
}  # fmt: skip
GRID, N_RULES = (3, 4), 2
# What is measured for every point of a grid or every pair of rules; one-sided results lack a rule.
# Errors of rounding are measured under two masks.
FIRST = {
    "plane": [GRID],
    "pairwise_alignment": [(N_RULES, N_RULES), (N_RULES,)],
    "rounding_of_errors": [(2,), ()],
}

CELL = rnnjax.Stack((rnnjax.Vanilla(2, 3), rnnjax.Vanilla(3, 2)), 1)
PARAMS = of_ones(lambda: CELL.init(jax.random.key(0)))
DRAWS = jax.device_put(rnnjax.Scaled(np.ones((4, 9)), np.zeros(4, np.int32)))
BY_LAG = jax.device_put(rnnjax.Scaled(np.ones((3, 9)), np.zeros(3, np.int32)))
VANILLA = rnnjax.Vanilla(2, 5)
OF_VANILLA = of_ones(lambda: VANILLA.init(jax.random.key(0)))
BATCH = jax.device_put(rnnjax.Batch(np.ones((6, 2)), np.ones((6, 1)), np.ones(6)))
MASKED = jax.device_put(jax.tree.map(lambda a: np.stack([a, a]), BATCH))
PASTS = rnnjax.tasks.AddTask(1, 2, 6, drawn=False)
DELTAS = jax.device_put(rnnjax.Scaled(np.ones((6, 5)), np.zeros(6, np.int32)))
ARGUMENTS = {
    "cell": CELL,
    "loss": squared_error,
    "params": PARAMS,
    "batch": BATCH,
    "directions": (PARAMS, PARAMS),
    "first": np.ones(GRID[0]),
    "second": np.ones(GRID[1]),
    "log_norm": jax.device_put(-np.arange(7.0)),
    "exponents": jax.device_put(-np.arange(5.0)),
    "draws": DRAWS,
}
OWN_ARGUMENTS = {
    "pairwise_alignment": {"draws": {"a": DRAWS, "b": DRAWS}, "reference": "a"},
    "alignment_with": {"reference": DRAWS},
    "alignment_with_exact": {
        "by_lag": BY_LAG,
        "exact": DRAWS,
        "exact_by_lag": BY_LAG,
        "silent": False,
        "n_W": 4,
    },
    "error_growth": {"deltas": DELTAS, "true": DELTAS, "log_growth": np.ones(6), "epsilon": 1e-7},
    "answers_by_past": {
        "logits": np.zeros((4, 6, 2)), "loss": PASTS.loss,
        "batch": of_ones(lambda: jax.vmap(PASTS.sample)(jax.random.split(jax.random.key(0), 4))),
    },
    "rounding_of_errors": {
        "cell": VANILLA, "params": OF_VANILLA, "batch": MASKED, "precision": "float32",
        "rule": rnnjax.rules.ForwardErrors(), "log_smallest": np.zeros(()),
    },
    "log_margins": {"activation": rnnjax.activations.tanh, "gain": 2.0, "bias": 0.0, "n_steps": 6},
}  # fmt: skip


def measurements():
    """Every public function of both packages that returns a dict of arrays, or declared by name."""
    found = {}
    for package in ("probes", "analysis"):
        path = import_module(f"rnnjax.{package}").__path__
        for info in pkgutil.iter_modules(path, f"rnnjax.{package}."):
            for name, thing in vars(import_module(info.name)).items():
                own = inspect.isfunction(thing) and thing.__module__ == info.name
                if own and name[0] != "_" and returns_variables(name, thing):
                    found[name] = thing
    return found


def returns_variables(name, function):
    """Whether a function returns a dict of arrays, or one array that is declared by its name."""
    returned = inspect.signature(function).return_annotation
    one = name in VARIABLES and returned == rnnjax.types.Array
    return one or returned == dict[str, rnnjax.types.Array]


def arguments_of(name):
    given = ARGUMENTS | OWN_ARGUMENTS.get(name, {})
    parameters = inspect.signature(measurements()[name]).parameters.values()
    needed = [p.name for p in parameters if p.default is inspect.Parameter.empty]
    return {name: given[name] for name in needed}


@functools.cache
def returned(name):
    """The shapes of the arrays that a function returns, by the name of the variable."""
    found = jax.eval_shape(lambda: measurements()[name](**arguments_of(name)))
    found = found if isinstance(found, dict) else {name: found}
    # A direction in the space of the parameters is no array.
    return {key: value.shape for key, value in found.items() if hasattr(value, "shape")}


def declared(key):
    """The declaration of a variable; a part of the parameters has the dims of the whole."""
    return named("log_contribution" if key.startswith("log_contribution_") else key).popitem()[1]


@pytest.mark.parametrize("name", measurements())
def test_what_is_returned_has_the_dims_that_are_declared(name):
    assert returned(name)
    for key, shape in returned(name).items():
        inner = tuple(SIZES[dim] for dim in declared(key).dims)
        assert shape in [(*first, *inner) for first in FIRST.get(name, [()])], key


@pytest.mark.wide
def test_every_declaration_is_of_something_that_is_returned():
    assert {key for name in measurements() for key in returned(name)} >= set(VARIABLES)


def test_a_name_that_is_not_declared_is_refused():
    with pytest.raises(ValueError, match="did you mean 'horizon'"):
        named("log_norm", "horizen")
