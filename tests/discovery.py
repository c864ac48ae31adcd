"""Finds the subjects of contract tests by walking the package: nothing is listed by hand."""

import functools
import inspect
import pkgutil
from collections import UserDict
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from importlib import import_module

import jax
import jax.numpy as jnp
from flax import linen, nnx

import rnnjax
from rnnjax import activations, dynamics

SIZES = {"n_x": 6, "n_h": 5, "n_y": 4, "n_units": 3, "n_hidden": 5, "n_projected": 2}


class Found(UserDict):
    """Values by name, of which a `partial` is made when it is first looked at.

    Every process of a run collects all tests: names must not cost compiling what flax draws.
    """

    def __getitem__(self, name):
        if isinstance(self.data[name], partial):
            self.data[name] = self.data[name]()
        return self.data[name]


def activations_found():
    return [a for a in vars(activations).values() if isinstance(a, activations.Activation)]


def _public(*packages):
    """Everything public that the modules of some packages define, by the names of the packages."""
    for package in packages:
        path = import_module(f"rnnjax.{package}").__path__
        for info in pkgutil.walk_packages(path, f"rnnjax.{package}."):
            yield from _defined_in(import_module(info.name))


def cells_found(**wanted):
    """One of each cell class and of its variants with a way of their own through the code.

    Sizes may be given by the names of SIZES.
    """
    size = SIZES | wanted
    n_x, n_h, n_y, n_units = (size[name] for name in ("n_x", "n_h", "n_y", "n_units"))
    n_hidden = size["n_hidden"]
    found = {}
    for name, thing in _public("cells"):
        is_cell = inspect.isclass(thing) and {"step", "readout"} <= set(dir(thing))
        if is_cell and name not in ("FlaxCell", "TrainedCell", "Stack"):
            known = size | {"gain": 1.1}
            found[name] = thing(**{f.name: known[f.name] for f in fields(thing) if f.name in known})
    # One activation of either way of its own: carried with a scale, and with a signed slope.
    for a in (activations.relu, activations.gelu):
        cell = rnnjax.Vanilla(n_x, n_h, n_y, activation=a, gain=1.1, bias_gain=0.5)
        found[f"Vanilla-{a.name}"] = cell
    layer = rnnjax.Vanilla(n_x, n_h, activation=activations.relu, bias_gain=0.5)
    lstm, lru = rnnjax.LSTM(n_h, n_units), rnnjax.LRU(n_units, n_h, n_units)
    return Found(found) | {
        "Stack": rnnjax.Stack((rnnjax.Vanilla(n_x, n_h, gain=1.1), lstm), n_y),
        "Stack-relu": rnnjax.Stack((layer, layer.replace(n_x=n_h, leak=0.7)), n_y),
        "Stack-LSTM-LRU": rnnjax.Stack((rnnjax.LSTM(n_x, n_h), lstm, lru), n_y),
        "Vanilla-leak": rnnjax.Vanilla(n_x, n_h, n_y, leak=0.3, gain=1.5),
        "Vanilla-relu-leak": rnnjax.Vanilla(n_x, n_h, n_y, activation=activations.relu, leak=0.3),
        "Jordan-one-feedback": rnnjax.Jordan(n_x, n_hidden, n_y, feedback=(n_y // 2,), start=0.3),
        "linen.GRUCell": partial(_of_flax, "linen.GRUCell", n_x, n_h, n_y),
        "nnx.LSTMCell": partial(_of_flax, "nnx.LSTMCell", n_x, n_units + 2, n_y),
        "trained nnx.GRUCell": partial(trained, n_x, n_units, n_y),
    }


# Made once a process, not once a module of tests: flax draws parameters to find their shapes.
@functools.cache
def _of_flax(name, n_x, n_h, n_y):
    wide = {"param_dtype": jnp.float64}
    if name == "linen.GRUCell":
        return rnnjax.from_linen(linen.GRUCell(n_h, **wide), n_x, n_y)
    return rnnjax.from_nnx(nnx.LSTMCell, n_x, n_h, n_y, **wide)


def homogeneous_found(cells):
    """Names of the cells whose forward pass carries a scale: none of those of flax does."""
    return [name for name, cell in cells.data.items() if dynamics.is_homogeneous(cell)]


def trained(n_x, n_units, n_y):
    """A trained cell with an encoder and a head of its own, in evaluation mode."""
    return _trained(n_x, n_units, n_y, jax.config.jax_enable_x64)


@functools.cache
def _trained(n_x, n_units, n_y, is_wide):
    """The same for each precision, because it holds arrays."""
    rngs, wide = nnx.Rngs(5), {"param_dtype": jnp.float64}
    head = nnx.Sequential(nnx.Dropout(0.5), nnx.Linear(n_units, n_y, **wide, rngs=rngs))
    cell = nnx.GRUCell(2, n_units, **wide, rngs=rngs)
    return rnnjax.from_nnx(cell, embed=nnx.Linear(n_x, 2, **wide, rngs=rngs), readout=head)


def probes_found():
    """Every public function of rnnjax.probes that needs (cell, loss, params, batch) alone."""
    return {
        name: thing
        for name, thing in _public("probes")
        if inspect.isfunction(thing) and _needed(thing) == ["cell", "loss", "params", "batch"]
    }


def _needed(function):
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is inspect.Parameter.empty]


def tasks_found():
    return {
        name: thing
        for name, thing in _public("tasks", "decks.tasks")
        if inspect.isclass(thing) and {"sample", "loss"} <= set(dir(thing))
    }


def rules_found():
    return {
        name: thing
        for name, thing in _public("rules", "decks.rules")
        if inspect.isclass(thing) and is_dataclass(thing) and hasattr(thing, "step_axis")
    }


def modules_found():
    """Every module of the package's mathematics: what commands, files and sheets need is apart."""
    apart = ("claims", "cli", "cluster", "cube_setting", "experiments", "figures", "reductions",
             "reports", "sweep", "theory", "variables", "workbook")  # fmt: skip
    for info in pkgutil.walk_packages(rnnjax.__path__, "rnnjax."):
        if not {*info.name.split(".")} & {*apart}:
            yield import_module(info.name)


def _defined_in(module):
    for name, thing in vars(module).items():
        if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__:
            yield name, thing


@functools.cache
def dataclasses_found():
    """Every public dataclass of the mathematics, but for the ranges themselves."""
    return {
        name: thing
        for module in modules_found()
        for name, thing in _defined_in(module)
        if inspect.isclass(thing)
        and is_dataclass(thing)
        and module is not rnnjax.ranges
        # These hold a traced program: tests/jaxprs/test_copies.py.
        and name not in ("Recurrence", "Recurrences", "ScanCell")
    }


def functions_found():
    """Every public function and method of the mathematics, by module and name."""
    found = {}
    for module in modules_found():
        for name, thing in _defined_in(module):
            if inspect.isfunction(thing):
                found[f"{module.__name__}.{name}"] = thing
            elif inspect.isclass(thing):
                for of_class, method in vars(thing).items():
                    own = getattr(method, "__qualname__", "").startswith(f"{thing.__name__}.")
                    if own and inspect.isfunction(method) and not of_class.startswith("_"):
                        found[f"{module.__name__}.{name}.{of_class}"] = method
    return found


@functools.cache
def linearized(cell):
    return _kept(rnnjax.tangents.linearize, cell)


@functools.cache
def residuals(cell):
    return _kept(rnnjax.tangents.residuals, cell)


def _kept(measure, cell):
    with jax.ensure_compile_time_eval():  # what is kept must be no tracer of a program around
        return at_a_point(measure, cell)


def at_a_point(measure, cell):
    @jax.jit
    def measured():
        params = cell.init(jax.random.key(0))
        return measure(cell, params, _point(cell, params))

    return measured()


def _point(cell, params):
    d = rnnjax.dynamics.drive(cell, params, jnp.ones(cell.n_x))
    return rnnjax.dynamics.point(cell, params, cell.initial_state(), d)


def unrolled():
    cell = rnnjax.Vanilla(2, 3)
    return rnnjax.unroll(cell, cell.init(jax.random.key(0)), jnp.ones((2, 2)))


def example(name):
    """A value of a public dataclass, with the fewest arguments that it can be made with."""
    penalty = rnnjax.penalties.Omega()
    batch = rnnjax.Batch(jnp.ones((2, 3)), jnp.ones((2, 1)), jnp.ones(2))
    number = rnnjax.Scaled(jnp.ones(3), jnp.int32(2))
    stack = rnnjax.Stack((rnnjax.Vanilla(2, 3), rnnjax.LSTM(3, 2)))
    made = {
        "Activation": lambda cls: activations.tanh,
        "Autodiff": lambda cls: linearized(rnnjax.GRU(2, 3)),
        "BehindPreactivation": lambda cls: linearized(rnnjax.LSTM(2, 3)),
        "Between": lambda cls: linearized(stack).between[0],
        "BlockTriangular": lambda cls: linearized(stack),
        "Composed": lambda cls: linearized(rnnjax.Jordan(2, 3, 2)),
        "Diagonal": lambda cls: linearized(rnnjax.LRU(2, 3)),
        "Leaky": lambda cls: linearized(rnnjax.Vanilla(2, 3)),
        "Decay": lambda cls: linearized(rnnjax.cells.MinGRU(2, 3)),
        "Reflected": lambda cls: linearized(rnnjax.cells.DeltaNet(2, 3)),
        "OfComplex": lambda cls: cls(linearized(rnnjax.LRU(2, 3)), True),
        "Residuals": lambda cls: residuals(rnnjax.Vanilla(2, 3)),
        "Batch": lambda cls: batch,
        "Bidirectional": lambda cls: cls((rnnjax.GRU(2, 3),), (rnnjax.GRU(2, 2),)),
        "EachUnit": lambda cls: cls(rnnjax.Vanilla.layers),
        "Feedback": lambda cls: cls(jnp.ones((3, 2))),
        "Fixed": lambda cls: cls(jnp.ones(3)),
        "FlaxCell": lambda cls: rnnjax.from_linen(linen.GRUCell(3), 2),
        "Flossing": lambda cls: cls(2),
        "FunctionPart": lambda cls: cls(jnp.tanh, "readout", False),
        "FromLinen": lambda cls: cls(linen.GRUCell(3), 2),
        "FromNNX": lambda cls: cls(nnx.LSTMCell, 2, 3),
        "InHalf": lambda cls: cls(rnnjax.Vanilla(2, 3), jnp.dtype("float16"), jnp.dtype("float32")),
        "LinenPart": lambda cls: cls(linen.GRUCell(3), "cell"),
        "NNXPart": lambda cls: trained(2, 3, 1).cell,
        "OfDtype": lambda cls: cls(rnnjax.Vanilla(2, 3), jnp.dtype("float32")),
        "Penalised": lambda cls: cls(rnnjax.BPTT(), penalty),
        "RealView": lambda cls: cls(rnnjax.LRU(2, 3), (False,) * 6, True, True),
        "Scaled": lambda cls: number,
        "Trajectory": lambda cls: unrolled(),
        "TrainedCell": lambda cls: trained(2, 3, 1),
        "Stack": lambda cls: stack,
        "TruncatedBPTT": lambda cls: cls(2),
    }
    cls = dataclasses_found()[name]
    if name in made:
        return made[name](cls)
    sizes = {f.name: 2 for f in fields(cls) if f.default is MISSING and f.name in SIZES}
    return cls(**sizes)


def penalties_found():
    """Every penalty: a public class whose value is called with (cell, loss, params, batch)."""
    return {
        name: thing
        for name, thing in _public("penalties")
        if inspect.isclass(thing)
        and not hasattr(thing, "_is_protocol")
        and not hasattr(thing, "step_axis")
        and _needed_of_call(thing) == _ONE_SEQUENCE
    }


def _needed_of_call(cls):
    call = vars(cls).get("__call__")
    return [p for p in _needed(call) if p != "self"] if call else []


_ONE_SEQUENCE = ["cell", "loss", "params", "batch"]
