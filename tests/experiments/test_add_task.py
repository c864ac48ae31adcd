"""The add task in quick mode, its claims against cubes that are wrong, and its measure."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.analysis import answers_by_past
from rnnjax.cli import main
from rnnjax.tasks import AddTask
from rnnjax.theory import add_task
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "add_task"
RTRL, MEMORYLESS = "RTRL/trained", "RFLO/none"
PLATEAUS = add_task.plateaus()
EQUAL = "RFLO against e-prop without autapses: largest difference of a run, nat"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def renamed(cube, rtrl):
    """The cube as if its runs of RTRL were those of another case."""
    names = [rtrl if name == RTRL else name for name in cube["case"].values]
    return cube.assign_coords(case=names)


def at_the_lags_of_the_paper(cube):
    config = cube.attrs["config"].replace('"lag_1": 1', '"lag_1": 3').replace(
        '"lag_2": 2', '"lag_2": 8'
    )  # fmt: skip
    return cube.assign_attrs(config=config)


def test_every_claim_holds(cube):
    assert cube["cross_entropy"].dims == ("case", "learning_rate", "seed")
    assert cube["answer"].dims == ("case", "learning_rate", "seed", "past")
    assert len(verdicts(NAME, cube)) == 6
    assert not failed(NAME, cube)


def test_the_standard_error_is_that_of_a_good_measurement(cube):
    assert float(cube["cross_entropy_error"].min()) > 0
    assert float(cube["cross_entropy_error"].max()) < 0.002


@pytest.mark.parametrize(
    ("claim", "case", "by"),
    [
        ("least cross-entropy of any run", RTRL, -0.01),
        ("RTRL: cross-entropy", RTRL, 0.02),
        ("memoryless: least cross-entropy", MEMORYLESS, -0.002),
        ("memoryless: cross-entropy, median", MEMORYLESS, 0.02),
    ],
)
def test_each_claim_can_fail(cube, claim, case, by):
    spoilt = cube["cross_entropy"] + by * (cube["case"] == case)
    spoilt = cube.assign(cross_entropy=spoilt.transpose(*cube["cross_entropy"].dims))
    assert any(told.startswith(claim) for told in failed(NAME, spoilt))


@pytest.mark.parametrize(("lag", "past"), [(1, "10"), (2, "01")])
def test_the_claim_on_the_effect_of_a_lag_can_fail(cube, lag, past):
    answer = cube["answer"].where(cube["past"] != past, 0.6)
    spoilt = failed(NAME, cube.assign(answer=answer))
    assert any(told.startswith(f"RTRL: share of the effect of lag {lag}") for told in spoilt)


def test_a_cube_of_nan_fails_every_claim(cube):
    nothing = cube.assign({name: cube[name] * np.nan for name in ("cross_entropy", "answer")})
    assert not any(verdicts(NAME, nothing).values())


def test_the_claims_on_other_rules_can_fail(cube):
    wide = verdicts(NAME, renamed(cube, "TruncatedBPTT(window=3)/trained"))
    assert wide["truncated BPTT, $K$ = 3: cross-entropy, median over seeds, nat"]
    narrow = verdicts(NAME, renamed(cube, "TruncatedBPTT(window=2)/trained"))
    assert not any("truncated" in message for message in narrow)
    readout = at_the_lags_of_the_paper(renamed(cube, "RFLO/fixed"))
    message = "readout only: least cross-entropy of a seed, nat"
    assert verdicts(NAME, readout)[message] is False
    assert verdicts(NAME, renamed(cube, "RFLO/trained")).keys().isdisjoint({EQUAL})
    better = readout.assign(cross_entropy=readout["cross_entropy"] + 0.1)
    assert verdicts(NAME, better)[message] is True


def test_the_claim_on_two_names_of_one_rule_can_fail(cube):
    apart = cube.assign_coords(case=["RFLO/trained", "EProp(autapse=False)/trained"])
    assert verdicts(NAME, apart)[EQUAL] is False
    same = apart.assign(cross_entropy=0 * apart["cross_entropy"] + 0.5)
    assert verdicts(NAME, same)[EQUAL] is True


class Register(NamedTuple):
    """A network by hand: it keeps its last inputs and answers by a table of the two lags."""

    lags: tuple[int, int]
    table: jax.Array  # (2, 2): P(y = 1) by the inputs at the lags

    def initial_state(self):
        return jnp.zeros(max(self.lags) + 1)

    def step(self, params, h, x):
        return jnp.concatenate([x[1:], h[:-1]])

    def readout(self, params, h):
        first, second = (h[lag].astype(int) for lag in self.lags)
        p = jnp.clip(self.table[first, second], 1e-12, 1 - 1e-12)
        return jnp.log(jnp.stack([1 - p, p]))


@pytest.mark.parametrize(
    ("table", "plateau"),
    [
        ([[0.5, 0.25], [1.0, 0.75]], PLATEAUS.both_lags),
        ([[0.375, 0.375], [0.875, 0.875]], PLATEAUS.first_lag),
        ([[0.625, 0.625], [0.625, 0.625]], PLATEAUS.no_memory),
    ],
)
def test_the_measure_gives_each_plateau_exactly_to_the_network_that_has_it(table, plateau):
    task, table = AddTask(3, 8, 60, drawn=False), jnp.array(table)
    cell, streams = Register((3, 8), table), jax.vmap(task.sample)
    keys = jax.random.split(jax.random.key(0))

    def measured(keys):
        batch = streams(keys)
        logits = jax.vmap(lambda x: rnnjax.outputs(cell, (), x))(batch.x)
        return answers_by_past(logits, task.loss, batch)

    found = jax.jit(measured)(keys)
    np.testing.assert_allclose(found["cross_entropy"], plateau, rtol=1e-10)
    np.testing.assert_allclose(found["answer"], table.reshape(-1), atol=1e-11)


def test_what_stands_at_steps_without_weight_has_no_say_in_the_measure():
    task = AddTask(3, 8, 20, drawn=False)
    batch = jax.vmap(task.sample)(jax.random.split(jax.random.key(0), 3))
    logits = jax.random.normal(jax.random.key(1), (3, 20, 2))
    there = batch.mask[..., None] != 0
    padded = batch.replace(x=jnp.where(there, batch.x, jnp.nan))
    expected = answers_by_past(logits, task.loss, batch)
    got = answers_by_past(jnp.where(there, logits, jnp.nan), task.loss, padded)
    for name, value in expected.items():
        np.testing.assert_array_equal(got[name], value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--axes.case.rule", "RTRLL"], "axes.case.rule: expected one of BPTT, "),
        (["--axes.case.rule", "TruncatedBPTT(windw=2)"], "axes.case.rule: TruncatedBPTT: expected"),
        (["--lag-1", "8"], "lag_2: expected a lag other than lag_1 = 8"),
        (["--length", "8"], "length: expected more steps than the longer lag, 8"),
    ],
)
def test_bad_input_is_one_line(flags, message, capsys):
    assert main(["plan", NAME, *flags]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and message in told
