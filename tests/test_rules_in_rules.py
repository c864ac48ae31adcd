"""A rule inside another draws fresh numbers and keeps what it learns, from piece to piece too."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct

import rnnjax
from rnnjax import decks, penalties, rules, scaled
from rnnjax.decks import ratios
from tests.crossed import crossed
from tests.discovery import example, rules_found

CELL = rnnjax.Vanilla(2, 3, 2, leak=0.7, gain=1.2)
KEY = jax.random.key(0)


@struct.dataclass
class SameEverywhere:
    """The same steps in every piece of every sequence: gradients differ by their rule alone."""

    n_pieces: int = struct.field(pytree_node=False, default=2)
    n_x = 2
    n_y = 2

    def sample(self, key):
        piece = decks.DataPairs(length=3).sample(KEY)
        return jax.tree.map(lambda a: jnp.concatenate([a] * self.n_pieces), piece)

    loss = decks.DataPairs.loss


@struct.dataclass
class Halved:
    """A user's own rule around another, with a state of its own beside."""

    rule: Any
    exact = False

    @property
    def stochastic(self):
        return self.rule.stochastic

    @property
    def step_axis(self):
        return self.rule.step_axis

    def init(self, cell, params, batch, key=None):
        return {"inside": self.rule.init(cell, params, batch, key), "seen": jnp.zeros(())}

    def __call__(self, cell, loss, params, batch, state, *, per_step=False):
        out = self.rule(cell, loss, params, batch, state["inside"], per_step=per_step)
        half = jax.tree.map(
            lambda s: scaled.Scaled(0.5 * s.value, s.exponent),
            out.grads,
            is_leaf=lambda node: isinstance(node, scaled.Scaled),
        )
        return rnnjax.RuleOut(out.loss, half, {"inside": out.state, "seen": state["seen"] + 1})


SAFE = ratios.Safeguarded()
AROUND = {
    "EligibilityRatio": lambda rule: decks.EligibilityRatio(rule, SAFE),
    "each sequence": lambda rule: decks.EligibilityRatio(rule, SAFE, mean_first=False),
    "MatchedLength": lambda rule: decks.MatchedLength(decks.EligibilityRatio(rule, SAFE)),
    "Penalised": lambda rule: penalties.Penalised(rule, penalties.Omega(), 0.1),
    "own": Halved,
    "own around ratio": lambda rule: Halved(decks.EligibilityRatio(rule, SAFE)),
}
INSIDE = {
    "BPTT": rules.BPTT(),
    "UORO": rules.UORO(),
    "KeRNL": rules.KeRNL(rate=0.5),
    "DNI": rules.DNI(rate=0.5),
    "SnAp": rules.SnAp(),
}
DRAWS = {"UORO", "KeRNL"}
CHANGES = DRAWS | {"DNI"}


def gradients(train):
    """The gradient of every update of a training that changes no weights."""
    seen = []

    def update(grads, state, params=None):
        flat = jnp.concatenate([g.reshape(-1) for g in jax.tree.leaves(grads)])
        jax.debug.callback(lambda g: seen.append(np.asarray(g)), flat, ordered=True)
        return jax.tree.map(jnp.zeros_like, grads), state

    recorder = optax.GradientTransformation(lambda params: (), update)
    jax.block_until_ready(jax.jit(lambda: train(recorder).params)())
    jax.effects_barrier()
    return np.array(seen)


def distances(found):
    """How far each of some gradients is from each other, the same with itself apart."""
    gaps = np.abs(found[:, None] - found[None]).max(axis=-1)
    return gaps[~np.eye(len(found), dtype=bool)]


def assert_as_it_should_be(found, inside):
    assert np.isfinite(found).all() and np.abs(found).max() > 1e-4
    gaps = distances(found)
    if inside in CHANGES:
        assert gaps.min() > 1e-9
    else:
        assert gaps.max() < 1e-14


@pytest.mark.wide
@crossed("around, inside", AROUND, INSIDE, wide=3)
def test_within_sequences_it_goes_on_from_piece_to_piece_and_to_the_next(around, inside):
    """Two pieces in each of two sequences: what DNI has learned in one still counts in the next."""

    def train(optimiser):
        return rnnjax.fit_online(
            CELL, SameEverywhere(), AROUND[around](INSIDE[inside]), optimiser, KEY,
            n_sequences=2, batch_size=2, steps_per_update=3,
        )  # fmt: skip

    found = gradients(train)
    assert len(found) == 4
    assert_as_it_should_be(found, inside)


@pytest.mark.wide
@crossed(
    "inside, around", INSIDE, ["EligibilityRatio", "MatchedLength", "Penalised", "own"], wide=3
)
def test_it_goes_on_from_update_to_update(around, inside):
    def train(optimiser):
        task, rule = SameEverywhere(1), AROUND[around](INSIDE[inside])
        return rnnjax.fit(CELL, task, rule, optimiser, KEY, n_updates=3, batch_size=2)

    assert_as_it_should_be(gradients(train), inside)


@pytest.mark.wide
def test_a_rule_of_ones_own_gets_a_key_for_every_sequence():
    """Its state is no online rule's, so it begins anew, with other numbers."""

    class Noisy(Halved):
        stochastic = True

        def init(self, cell, params, batch, key=None):
            return {"inside": (), "seen": jax.random.uniform(key)}

        def __call__(self, cell, loss, params, batch, state, *, per_step=False):
            out = self.rule(cell, loss, params, batch, (), per_step=per_step)
            factor = scaled.normalise(1 + state["seen"])
            grads = jax.tree.map(
                lambda s: scaled.Scaled(s.value * factor.value, s.exponent + factor.exponent),
                out.grads,
                is_leaf=lambda node: isinstance(node, scaled.Scaled),
            )
            return out._replace(grads=grads, state=state)

    def train(optimiser):
        rule = Noisy(rules.BPTT())
        return rnnjax.fit_online(
            CELL, SameEverywhere(), rule, optimiser, KEY, n_sequences=3, steps_per_update=3
        )

    found = gradients(train).reshape(3, 2, -1)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    assert distances(found[:, 0]).min() > 1e-6


@pytest.mark.parametrize("name", rules_found())
def test_every_rule_trains_within_sequences(name):
    """Also those whose state is shaped as the steps that they are given."""
    jordan = rnnjax.Jordan(2, 3, 2, spread=1.5)
    needs_output = name in ("TargetShift", "TeacherForcing")
    cell = jordan if needs_output else CELL

    def run():
        return rnnjax.fit_online(
            cell, decks.DataPairs(length=4), example(name), optax.sgd(0.01), KEY,
            n_sequences=2, steps_per_update=2,
        ).loss  # fmt: skip

    assert jax.eval_shape(run).shape == (2, 4)


def test_steps_of_a_penalised_rule_cannot_be_kept_apart():
    rule = AROUND["Penalised"](rules.RTRL())
    assert rule.step_axis == "loss" and not rule.exact

    def steps(key, rule):
        params, batch = CELL.init(key), SameEverywhere().sample(key)
        state = rule.init(CELL, params, batch)
        return rule(CELL, decks.DataPairs().loss, params, batch, state, per_step=True)

    for run in (rule, decks.EligibilityRatio(rule)):
        with pytest.raises(ValueError, match="per_step: expected False, because a penalty is of a"):
            jax.eval_shape(functools.partial(steps, rule=run), KEY)
