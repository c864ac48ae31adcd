"""What of flax is no cell is told at once, in one line that says what to do."""

import functools

import flax
import jax.numpy as jnp
import pytest
from flax import linen, nnx

import rnnjax
from tests.stand_ins import of_ones


class Cell(linen.RNNCellBase):
    """A cell of one's own, for three kinds of trouble."""

    @property
    def num_feature_axes(self):
        return 1

    def initialize_carry(self, rng, input_shape):
        return jnp.zeros(3)


class Normed(Cell):
    @linen.compact
    def __call__(self, carry, x):
        y = linen.BatchNorm(use_running_average=False)(linen.Dense(3)(x)[None])[0]
        return carry + y, y


class Dropped(Cell):
    @linen.compact
    def __call__(self, carry, x):
        y = linen.Dropout(0.5, deterministic=False)(linen.Dense(3)(x))
        return carry + y, y


class OfFour(Cell):
    @linen.compact
    def __call__(self, carry, x):
        y = self.param("W", linen.initializers.ones, (3, 4)) @ x
        return carry + y, y


class Growing(Cell):
    @linen.compact
    def __call__(self, carry, x):
        return jnp.concatenate([carry, x]), x


class Bare(Cell):
    @linen.compact
    def __call__(self, carry, x):
        return jnp.tanh(carry + jnp.sum(x)), carry


class NNXCell(nnx.Module):
    def __init__(self, n_x, n_units, *, rngs):
        self.dense, self.more = nnx.Linear(n_x, n_units, rngs=rngs), self.another(rngs)

    def __call__(self, carry, x):
        y = self.more(self.dense(x))
        return carry + y, y

    def initialize_carry(self, input_shape, rngs):
        return jnp.zeros(3)


class NNXNormed(NNXCell):
    def another(self, rngs):
        return nnx.BatchNorm(3, rngs=rngs)


class NNXDropped(NNXCell):
    def another(self, rngs):
        return nnx.Dropout(0.5, rngs=rngs)


class NNXPlain(NNXCell):
    def another(self, rngs):
        return nnx.Linear(3, 3, rngs=rngs)


GRU = linen.GRUCell(4)
NNX_GRU = of_ones(lambda: nnx.GRUCell(2, 3, rngs=nnx.Rngs(0)))
NNX_LINEAR = of_ones(lambda: nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
LINEN = "module: expected a linen cell such as linen.GRUCell(8)"
NNX = "cell_class: expected the class of an nnx cell such as nnx.GRUCell"
NNX_OBJECT = "cell_class: expected an nnx cell such as nnx.GRUCell(2, 8, rngs=rngs)"
REFUSED_LINEN = [
    (linen.RNN(GRU), f"{LINEN}, got linen.RNN; pass its cell, rnn.cell; rnnjax.recurrences "),
    (linen.Bidirectional(linen.RNN(GRU), linen.RNN(GRU)), f"{LINEN}, got linen.Bidirectional; it "),
    (linen.GRUCell, f"{LINEN}, got the class linen.GRUCell; make one of it"),
    (linen.Dense(3), f"{LINEN}, got linen.Dense, which has no initialize_carry"),
    (NNX_GRU, f"{LINEN}, got nnx.GRUCell; pass its class, nnx.GRUCell, to from_nnx"),
    (nnx.GRUCell, f"{LINEN}, got the class nnx.GRUCell; pass it to from_nnx"),
    (rnnjax.GRU(2, 3), f"{LINEN}, got GRU(n_x=2"),
    (None, f"{LINEN}, got None"),
    (Normed(), f"{LINEN} that has parameters alone, got Normed with batch_stats"),
    (Dropped(), "module: expected a cell that draws no random numbers, got Dropped"),
    (OfFour(), f"{LINEN} with n_x = 2, got OfFour, which raised TypeError"),
    (Growing(), "module: expected a cell whose carry keeps its shape, got Growing"),
    (linen.ConvLSTMCell(4, (3,)), f"{LINEN} with n_x = 2, got linen.ConvLSTMCell, which raised"),
]
REFUSED_NNX = [
    (NNX_GRU, "n_units: expected none beside an object, which has its size, got 3"),
    (nnx.RNN, f"{NNX}, got nnx.RNN; pass the class of its cell"),
    (nnx.RNN(NNX_GRU), f"{NNX_OBJECT}, got nnx.RNN; pass its cell, rnn.cell; rnnjax.recurrences "),
    (nnx.Bidirectional, f"{NNX}, got nnx.Bidirectional; it reads"),
    (nnx.Linear, f"{NNX}, got nnx.Linear, which has no initialize_carry"),
    (NNX_LINEAR, f"{NNX_OBJECT}, got nnx.Linear, which has no initial"),
    (linen.GRUCell, f"{NNX}, got linen.GRUCell; make a cell of it and pass it to from_linen"),
    (GRU, f"{NNX}, got linen.GRUCell; pass it to from_linen"),
    (functools.partial(nnx.GRUCell), f"{NNX}, got functools.partial"),
    ("GRUCell", f"{NNX}, got 'GRUCell'"),
    (NNXNormed, "cell_class: expected an nnx cell whose only state is nnx.Param, got NNXNormed wi"),
    (NNXDropped, "cell_class: expected an nnx cell whose only state is nnx.Param, got NNXDropped"),
]


def told_by(make):
    with pytest.raises(ValueError, match=": expected") as told:
        make()
    assert "\n" not in str(told.value) and len(str(told.value)) < 400
    return str(told.value)


@pytest.mark.parametrize(("module", "message"), REFUSED_LINEN)
def test_what_is_no_linen_cell_is_refused(module, message):
    assert told_by(lambda: rnnjax.from_linen(module, 2)).startswith(message)


@pytest.mark.parametrize(("cell_class", "message"), REFUSED_NNX)
def test_what_is_no_class_of_nnx_cells_is_refused(cell_class, message):
    assert told_by(lambda: rnnjax.from_nnx(cell_class, 2, 3)).startswith(message)


@pytest.mark.parametrize("wrong", [0, -1, 2.0, True, None, "2"])
def test_a_size_of_an_adapter_is_a_size(wrong):
    assert told_by(lambda: rnnjax.from_linen(GRU, wrong)).startswith("n_x: expected a whole")
    assert told_by(lambda: rnnjax.from_linen(GRU, 2, wrong)).startswith("n_y: expected a whole")
    of_nnx = nnx.LSTMCell
    assert told_by(lambda: rnnjax.from_nnx(of_nnx, wrong, 3)).startswith("n_x: expected a whole")
    assert told_by(lambda: rnnjax.from_nnx(of_nnx, 2, wrong)).startswith("n_units: expected a who")
    assert told_by(lambda: rnnjax.from_nnx(of_nnx, 2, 3, wrong)).startswith("n_y: expected a whol")


def test_an_option_of_a_class_is_one_that_it_takes_and_has_a_hash():
    told = told_by(lambda: rnnjax.from_nnx(nnx.LSTMCell, 2, 3, color="red"))
    assert "raised TypeError" in told and "'color'" in told
    told = told_by(lambda: rnnjax.from_nnx(nnx.LSTMCell, 2, 3, dtype=[1]))
    assert told == "dtype: expected an option that has a hash, got [1]"


def test_cells_of_ones_own_are_taken():
    assert rnnjax.from_linen(OfFour(), 4).n_h == rnnjax.from_nnx(NNXPlain, 2, 3).n_h == 3
    bare = rnnjax.from_linen(Bare(), 2)
    assert bare.init(flax.nnx.Rngs(0).params()).cell == {}


@pytest.mark.parametrize(
    "module", [linen.OptimizedLSTMCell(4), linen.SimpleCell(4), linen.MGUCell(4), GRU]
)
def test_cells_of_linen_are_taken(module):
    assert rnnjax.from_linen(module, 2).n_x == 2


@pytest.mark.parametrize("cell_class", [nnx.OptimizedLSTMCell, nnx.SimpleCell, nnx.GRUCell])
def test_cells_of_nnx_are_taken(cell_class):
    assert rnnjax.from_nnx(cell_class, 2, 3).n_x == 2
