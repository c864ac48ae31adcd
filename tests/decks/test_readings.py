import re
import subprocess
import sys
from pathlib import Path

import optax
import pytest

import rnnjax
from rnnjax import decks
from rnnjax.decks import readings

PAGE = Path(__file__).parents[2] / "docs" / "explanations" / "decks.md"
SGD = optax.sgd(0.1)


def names_on_the_page():
    table = PAGE.read_text().split("## Readings")[1].split("## Deck A")[0]
    columns = [line.split("|")[3] for line in table.splitlines() if line.startswith("|")]
    return {name for column in columns for name in re.findall(r"`(\w+)`", column)}


def test_names_and_words_need_no_jax():
    program = "import sys; from rnnjax.decks import readings; readings.ratio_words()"
    code = f"{program}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_they_are_those_of_the_page():
    known = {*readings.DELTA_X, *readings.RATIOS}
    named = names_on_the_page() - {"trace"}  # which the ratio is not
    assert named <= known
    assert set(readings.DELTA_X) <= named
    assert known - named == {"cycles_norms", "cycles_projection"}


def test_every_reading_of_delta_x_is_a_rule_of_its_own():
    rules = [readings.delta_x(name) for name in readings.DELTA_X]
    assert len({repr(rule) for rule in rules}) == len(rules)
    assert readings.delta_x("exact") == rnnjax.BPTT()
    assert [rule.exact for rule in rules].count(True) == 1  # target_shift needs output states


@pytest.mark.parametrize("name", readings.ratio_words())
def test_a_ratio_scales_the_rule_or_the_optimiser(name):
    rule, optimiser = readings.with_ratio(name, rnnjax.BPTT(), SGD, rnnjax.Jordan.layers)
    if name.startswith("cycles"):
        assert rule == rnnjax.BPTT() and optimiser is not SGD
        return
    assert optimiser is SGD and isinstance(rule, decks.EligibilityRatio)
    multiplier = decks.ratios.Literal if name.endswith("literal") else decks.ratios.Safeguarded
    assert isinstance(rule.multiplier, multiplier)
    assert rule.recursive == name.startswith("recursive")
    assert rule.mean_first == (not name.startswith(("each_unit", "each_pair")))


def test_every_arm_has_a_rule_and_an_optimiser():
    layers = rnnjax.Jordan.layers
    arms = {name: readings.arm(name, 0.1, layers) for name in readings.arm_words()}
    assert set(readings.ratio_words()) < set(arms)
    rules = {name: rule for name, (rule, _) in arms.items() if name not in readings.ratio_words()}
    assert rules.pop("trace") == rnnjax.DiscountedRTRL(0.5)
    assert set(map(repr, rules.values())) == {repr(rnnjax.BPTT(window=1))}
    assert all(hasattr(optimiser, "update") for _, optimiser in arms.values())


def test_descents_on_a_quadratic_are_those_of_their_names():
    """At a = 0.05 plain descent shrinks by 0.95, and a single secant step solves the parabola."""
    paths = {
        name: decks.descend(readings.descent(name), 0.05, 4) for name in readings.ON_A_QUADRATIC
    }
    assert abs(float(paths["plain"][2]) - 0.95**2) < 1e-6
    assert abs(float(paths["quickprop_unlimited"][3])) < 1e-6
    assert abs(float(paths["aitken"][3])) < 1e-6
    assert len({float(path[-1]) for path in paths.values()}) > 5


def test_an_unknown_reading_is_one_line():
    with pytest.raises(ValueError, match="did you mean 'stale'"):
        readings.delta_x("stael")
    with pytest.raises(ValueError, match="did you mean 'momentum'"):
        readings.arm("momentun", 0.1, rnnjax.Jordan.layers)
    with pytest.raises(ValueError, match="did you mean 'aitken'"):
        readings.descent("aitkin")
    with pytest.raises(ValueError, match="did you mean 'norms_safe'"):
        readings.with_ratio("norm_safe", rnnjax.BPTT(), SGD, ())
