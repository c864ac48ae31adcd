"""What is no trained network is told in one line that says what to do."""

import dataclasses

import flax.core
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx
from flax.training import train_state

import rnnjax
from rnnjax.losses import cross_entropy
from tests.stand_ins import of_ones

KEY = jax.random.key(0)
GRU = linen.GRUCell(4)
VARIABLES = of_ones(lambda: GRU.init(KEY, jnp.zeros(4), jnp.ones(3)))
DENSE, TABLE, NARROW = linen.Dense(2), linen.Embed(5, 3), linen.Embed(5, 2)
OF_DENSE = of_ones(lambda: DENSE.init(KEY, jnp.ones(4)))
OF_TABLE = of_ones(lambda: TABLE.init(KEY, jnp.array(0)))
NNX_GRU = of_ones(lambda: nnx.GRUCell(3, 4, rngs=nnx.Rngs(0)))
NNX_DENSE, NNX_WIDER = (of_ones(lambda n=n: nnx.Linear(n, 2, rngs=nnx.Rngs(0))) for n in (4, 5))
STATE = train_state.TrainState.create(
    apply_fn=GRU.apply, params=VARIABLES["params"], tx=optax.sgd(0.1)
)


def linen_cell(body, **fields):
    """A class of linen cells with 4 units and this body, (module, carry, x) -> (carry, y)."""

    class Own(linen.Module):
        @linen.compact
        def __call__(self, carry, x):
            return body(self, carry, x)

        @linen.nowrap
        def initialize_carry(self, key, shape):
            return fields.get("carry", jnp.zeros(4))

    return Own()


def nnx_cell(body, carry=lambda self: jnp.zeros(4), **parts):
    """The same of nnx, with these parts."""

    class Own(nnx.Module):
        def __init__(self):
            for name, part in parts.items():
                setattr(self, name, part)

        def __call__(self, carry, x):
            return body(self, carry, x)

        def initialize_carry(self, shape, rngs):
            return carry(self)

    return Own()


def of_linen(module=GRU, params=VARIABLES, **options):
    return lambda: rnnjax.from_linen(module, params=params, **options)


def of_nnx(cell=NNX_GRU, *sizes, **options):
    return lambda: rnnjax.from_nnx(cell, *sizes, **options)


def same(self, carry, x):
    return carry, carry


def counted(self, carry, x):
    self.n[...] = self.n[...] + 1
    return carry + jnp.sum(x), carry


def normed(m, carry, x):
    y = linen.BatchNorm(use_running_average=False)(linen.Dense(4)(x)[None])[0]
    return carry + y, y


@dataclasses.dataclass
class Head:
    """A function of one's own that has arrays and no hash."""

    W: jax.Array

    def __call__(self, y):
        return self.W @ y


NORMED = linen_cell(normed)
OF_NORMED = of_ones(lambda: NORMED.init(KEY, jnp.zeros(4), jnp.ones(3)))
EVAL = linen_cell(lambda m, carry, x: (carry, linen.BatchNorm(use_running_average=True)(x)))
OF_EVAL = of_ones(lambda: EVAL.init(KEY, jnp.zeros(4), jnp.ones(3)))
DROPPED = linen_cell(lambda m, carry, x: (carry, linen.Dropout(0.5, deterministic=False)(x)))
PART = "(module, variables), an nnx module, a function, (function, parameters) or None"
PROGRAM = "rnnjax.recurrences measures whole programs"
LINEN = "module: expected a linen cell such as linen.GRUCell(8), got"
NNX = "cell_class: expected an nnx cell such as nnx.GRUCell(2, 8, rngs=rngs), got"
MASKED = linen_cell(lambda m, carry, x: ((carry[0] + 1, carry[1]), x), carry=(0, np.zeros(2)))
STACKED = jax.tree.map(lambda a: np.stack([a, a]), VARIABLES)
HEADLESS = {"params": {k: v for k, v in VARIABLES["params"].items() if k != "hn"}}
CASES = {
    "linen.RNN": (
        of_linen(linen.RNN(GRU)),
        f"{LINEN} linen.RNN; pass its cell, rnn.cell; {PROGRAM}",
    ),
    "linen.Bidirectional": (
        of_linen(linen.Bidirectional(linen.RNN(GRU), linen.RNN(GRU))),
        f"{LINEN} linen.Bidirectional; it reads a sequence from both ends, which no step can; "
        f"{PROGRAM}",
    ),
    "nnx.RNN": (of_nnx(nnx.RNN(NNX_GRU)), f"{NNX} nnx.RNN; pass its cell, rnn.cell; {PROGRAM}"),
    "nnx.Bidirectional": (
        of_nnx(nnx.Bidirectional(nnx.RNN(NNX_GRU), nnx.RNN(NNX_GRU))),
        f"{NNX} nnx.Bidirectional; it reads a sequence from both ends, which no step can; "
        f"{PROGRAM}",
    ),
    "a class of linen": (
        of_linen(linen.GRUCell),
        f"{LINEN} the class linen.GRUCell; make one of it",
    ),
    "a whole nnx model": (
        of_nnx(nnx.Sequential(NNX_DENSE)),
        f"{NNX} nnx.Sequential, which has no initialize_carry; pass the cell in it, and its head "
        "as readout",
    ),
    "a bound module": (
        of_linen(GRU.bind(VARIABLES)),
        f"module: expected {PART}, got a bound linen.GRUCell; take it apart: module, variables = "
        "bound.unbind()",
    ),
    "a bound head": (
        of_linen(readout=DENSE.bind(OF_DENSE)),
        f"readout: expected {PART}, got a bound linen.Dense; take it apart: module, variables = "
        "bound.unbind()",
    ),
    "scanned": (
        of_linen(linen.scan(linen.GRUCell, variable_broadcast="params")(4)),
        f"{LINEN} the transformed linen.ScanGRUCell; pass the cell that was transformed, with "
        "variables of one network",
    ),
    "params of another module": (
        of_linen(linen.LSTMCell(4)),
        "params: expected those of linen.LSTMCell, hf.bias (4,), hf.kernel (4, 4), hg.bias (4,), ",
    ),
    "params of another module, with n_x": (
        of_linen(linen.SimpleCell(4), n_x=3),
        "params: expected those of linen.SimpleCell, h.kernel (4, 4), i.bias (4,), i.kernel (3, 4)",
    ),
    "fewer units, without n_x": (
        of_linen(linen.GRUCell(5)),
        "params: expected hn.bias (5,) as linen.GRUCell draws it, got (4,)",
    ),
    "several sets, without n_x": (
        of_linen(params=STACKED),
        "params: expected hn.bias (4,) as linen.GRUCell draws it, got (2, 4)",
    ),
    "fewer units": (
        of_linen(linen.GRUCell(5), n_x=3),
        "params: expected hn.bias (5,) as linen.GRUCell draws it, got (4,)",
    ),
    "a missing layer": (
        of_linen(params=HEADLESS, n_x=3),
        "params: expected those of linen.GRUCell,",
    ),
    "other inputs": (
        of_linen(n_x=2),
        "params: expected in.kernel (2, 4) as linen.GRUCell draws it, got (3, 4)",
    ),
    "several sets": (
        of_linen(params=STACKED, n_x=3),
        "params: expected hn.bias (4,) as linen.GRUCell draws it, got (2, 4); jax.vmap over sets "
        "of parameters",
    ),
    "a train state": (
        of_linen(params=STATE),
        "params: expected the variables of linen.GRUCell, as its init returns them, got "
        "'TrainState'; pass its params",
    ),
    "no params": (
        lambda: rnnjax.from_linen(GRU, 3, readout=(DENSE, OF_DENSE)),
        "params: expected the trained variables beside readout, got None",
    ),
    "whole params": (
        of_linen(params=jax.tree.map(lambda a: np.asarray(a, int), VARIABLES)),
        "params: expected floating point arrays, got cell.hn.bias of int",
    ),
    "a missing collection": (
        of_linen(EVAL, {}, n_x=3),
        "params: expected those of Own, BatchNorm_0.bias (3,), BatchNorm_0.scale (3,), got ",
    ),
    "no statistics": (
        of_linen(EVAL, {"params": OF_EVAL["params"]}, n_x=3),
        "params: batch_stats: expected those of Own, BatchNorm_0.mean (3,), BatchNorm_0.var (3,), "
        "got ; pass all variables of the module, not its parameters alone",
    ),
    "statistics that are updated": (
        of_linen(NORMED, OF_NORMED, n_x=3),
        "module: expected a module whose variables no step updates, got Own that updates ",
    ),
    "random numbers": (
        of_linen(DROPPED, {"params": {}}, n_x=3),
        "module: expected a module that draws no random numbers, got Own; make it with "
        "deterministic=True",
    ),
    "a count in nnx": (
        of_nnx(nnx_cell(counted, n=nnx.Variable(np.zeros(()))), 3),
        "module: expected a module whose variables no step updates, got it that updates cell.n",
    ),
    "a learned start": (
        of_nnx(nnx_cell(same, lambda m: m.start[...], start=nnx.Param(np.zeros(4))), 3),
        "module: expected a cell whose initial carry is fixed, got Own, learns it; make it a "
        "constant, because initial_state has no parameters",
    ),
    "a count in the carry": (
        of_linen(MASKED, {"params": {}}, n_x=3),
        "module: expected a carry and an output of one kind of number, got Own: ",
    ),
    "a growing carry": (
        of_nnx(nnx_cell(lambda m, h, x: (jnp.append(h, x), h)), 3),
        "module: expected a cell whose carry keeps its shape, got Own that makes (7,) of (4,)",
    ),
    "no pair": (
        of_nnx(nnx_cell(lambda m, h, x: h), 3),
        "module: expected a cell that returns (carry, y), got Own: float",
    ),
    "several outputs": (
        of_nnx(nnx_cell(lambda m, h, x: (h, {"y": h, "z": h})), 3),
        "module: expected a cell whose output is one array, got Own: y (4,), z (4,)",
    ),
    "a step that fails": (
        of_nnx(nnx_cell(lambda m, h, x: (h + x, x)), 3),
        "module: expected a cell that takes inputs float",
    ),
    "no n_x": (
        of_nnx(nnx_cell(same)),
        "n_x: expected the number of inputs of cell, got None",
    ),
    "n_y": (
        lambda: rnnjax.from_linen(GRU, 3, 2, params=VARIABLES),
        "n_y: expected none beside a trained cell, whose readout has its size, got 2",
    ),
    "n_units": (of_nnx(NNX_GRU, 3, 4), "n_units: expected none beside an object, which has its"),
    "an option": (
        of_nnx(gate_fn=jnp.tanh),
        "gate_fn: expected no options of a class beside an object, got gate_fn",
    ),
    "a head without variables": (
        of_linen(readout=DENSE),
        f"readout: expected {PART}, got linen.Dense; pass it with its variables: (module, variable",
    ),
    "a head of other outputs": (
        of_linen(readout=(DENSE, of_ones(lambda: DENSE.init(KEY, jnp.ones(5))))),
        "readout: expected kernel (4, 2) as linen.Dense draws it, got (5, 2)",
    ),
    "a head of nnx of other outputs": (
        of_nnx(readout=NNX_WIDER),
        "readout: expected a module or function that takes the output float",
    ),
    "a class as head": (
        of_nnx(readout=nnx.Linear),
        f"readout: expected {PART}, got the class nnx.Linear; make one of it",
    ),
    "a head that is none": (of_nnx(readout=3), f"readout: expected {PART}, got 3"),
    "a head of two results": (
        of_nnx(readout=lambda y: (y, y)),
        "readout: expected a result that is one array, got ",
    ),
    "nnx with parameters": (
        of_nnx(readout=(NNX_DENSE, {})),
        f"readout: expected {PART}, got nnx.Linear with parameters; pass it alone",
    ),
    "a function without hash": (
        of_nnx(readout=Head(np.ones((2, 4)))),
        "readout: expected a function that has a hash, got ",
    ),
    "tied arrays": (
        of_linen(
            embed=(TABLE, OF_TABLE),
            readout=(lambda W, y: W @ y[:3], OF_TABLE["params"]["embedding"]),
        ),
        "readout: expected parameters of its own, got",
    ),
    "an embedding of another size": (
        of_linen(embed=(NARROW, of_ones(lambda: NARROW.init(KEY, jnp.array(0))))),
        "params: expected in.kernel (2, 4) as linen.GRUCell draws it, got (3, 4)",
    ),
    "several tokens": (
        of_linen(n_x=2, embed=(TABLE, OF_TABLE)),
        "embed: expected 1 axes of features, as linen.GRUCell takes them, got (2, 3); reshape, sum "
        "or concatenate in a function, embed=function",
    ),
    "an embedding of integers": (
        of_linen(n_x=2, embed=lambda x: x.astype(int)),
        "embed: expected a result that is one floating point array, got int",
    ),
    "images": (
        of_linen(linen.ConvLSTMCell(2, (3,)), {"params": {}}, n_x=3),
        "x: expected 2 axes of features, as linen.ConvLSTMCell takes them, got (3,); reshape, sum ",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_trained_network_is_told_in_one_line(case):
    make, message = CASES[case]
    with pytest.raises(ValueError, match=": expected ") as told:
        make()
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value) and len(str(told.value)) < 500


TOKENS = jax.device_put(rnnjax.Batch(np.array([0, 4, 1]), np.array([0, 1, 1]), np.ones(3)))


def measured(cell, batch):
    return jax.eval_shape(lambda: rnnjax.sequence_loss(cell, cross_entropy, cell.trained, batch))


def test_tokens_are_taken_where_they_are_embedded_alone():
    embedding = rnnjax.from_linen(
        GRU, params=VARIABLES, embed=(TABLE, OF_TABLE), readout=(DENSE, OF_DENSE)
    )
    assert measured(embedding, TOKENS).shape == ()
    for x in (jnp.ones(3), jnp.ones((3, 3)), TOKENS.x[:, None], TOKENS.x > 1):
        with pytest.raises(ValueError, match=r"^x: expected integer tokens \(T,\) as TrainedCell "):
            measured(embedding, TOKENS.replace(x=x))
    plain = rnnjax.from_linen(GRU, params=VARIABLES, readout=(DENSE, OF_DENSE))
    with pytest.raises(ValueError, match=r"^x: expected \(T, n_x\) with n_x = 3 as in TrainedCell"):
        measured(plain, TOKENS)
    cell = rnnjax.GRU(3, 4, 2)
    with pytest.raises(ValueError, match=r"^x: expected \(T, n_x\) with n_x = 3 as in GRU"):
        rnnjax.BPTT()(cell, cross_entropy, cell.init(KEY), TOKENS)


def test_parameters_of_another_network_are_refused_at_the_boundary():
    cell = rnnjax.from_linen(GRU, params=VARIABLES, readout=(DENSE, OF_DENSE))
    wider = jax.tree.map(lambda a: jnp.pad(a, [(0, 1)] * a.ndim), cell.trained)
    batch = TOKENS.replace(x=jnp.ones((3, 3)))
    for params in (wider, VARIABLES):
        with pytest.raises(ValueError, match=r"^params: expected "):
            rnnjax.BPTT()(cell, cross_entropy, params, batch)


def test_more_exponents_than_a_step_keeps_are_no_penalty():
    cell = rnnjax.from_nnx(nnx_cell(lambda m, h, x: (0.5 * h + x[0], jnp.sin(h))), 3)
    batch = rnnjax.Batch(jnp.ones((3, 3)), jnp.ones((3, 4)), jnp.ones(3))
    flossing = rnnjax.penalties.Flossing(5)
    with pytest.raises(ValueError, match=r"^n_exponents: expected at most the 4 fin"):
        flossing(cell, None, cell.trained, batch)
    assert jnp.isfinite(rnnjax.penalties.Flossing(4)(cell, None, cell.trained, batch))


class Switched(linen.Module):
    """A cell whose call is told whether it trains."""

    @linen.compact
    def __call__(self, carry, x, train):
        y = linen.Dropout(0.5, deterministic=not train)(linen.Dense(4)(x))
        return carry + linen.BatchNorm(use_running_average=not train)(y), y

    @linen.nowrap
    def initialize_carry(self, key, shape):
        return jnp.zeros(4)


def test_a_call_that_is_told_whether_it_trains_is_told_that_it_does_not():
    x, at = jnp.arange(3.0), (jnp.zeros(4), jnp.ones(3))
    variables = Switched().init(KEY, *at, train=False)
    cell = rnnjax.from_linen(Switched(), params=variables)
    expected, _ = Switched().apply(variables, jnp.zeros(4), x, train=False)
    carry = cell.state.arrays(cell.step(cell.trained, cell.initial_state(), x))[0]
    assert jnp.allclose(carry, expected, rtol=1e-6) and jnp.any(carry != 0)


def test_advice_names_the_entry_of_a_whole_model():
    whole = {"cell": VARIABLES["params"], "head": OF_DENSE["params"]}
    with pytest.raises(ValueError, match=r"; pass its entry 'cell'$"):
        rnnjax.from_linen(GRU, params={"params": whole})


@pytest.mark.parametrize("wrap", [flax.core.freeze, lambda v: v["params"], lambda v: v])
def test_variables_come_frozen_or_as_their_parameters_alone(wrap):
    cell = rnnjax.from_linen(GRU, params=wrap(VARIABLES))
    assert jax.tree.structure(cell.trained.cell) == jax.tree.structure(VARIABLES["params"])
