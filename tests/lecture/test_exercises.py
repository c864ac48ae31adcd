"""The solutions of the exercises run, and the numbers are those that the page says."""

import math
import re

import pytest

from tests.lecture.programs import LECTURE, program

PAGE = (LECTURE / "exercises.md").read_text()
SOLUTIONS = sorted(path.stem for path in (LECTURE / "solutions").glob("*.py"))


def solved(name):
    return program(LECTURE / "solutions" / f"{name}.py").answer()


def told(text):
    """Whether the page has a number as it is written here."""
    return re.search(rf"(?<![\d.]){re.escape(text)}(?!\d)", PAGE) is not None


def test_the_page_has_eight_exercises_each_with_its_parts():
    parts = re.split(r"^## \d\. .+$", PAGE, flags=re.MULTILINE)[1:]
    assert len(parts) == len(SOLUTIONS) == 8
    for part in parts:
        for word in ("**Predict.**", "**Run.**", "**Explain.**", "Hint", "Answer"):
            assert word in part, (word, part[:80])
    assert {f"solutions/{name}.py" for name in SOLUTIONS} <= set(
        re.findall(r"solutions/\w+\.py", PAGE)
    )


def test_one_neuron():
    found = [*solved("one_neuron").values()]
    assert [f"{value:.4f}" for value in found[:2]] == ["1.8461", "0.2254"]
    assert abs(found[1] - found[2]) < 1e-9
    assert [f"{value:.3f}" for value in found[3:]] == ["0.912", "0.009", "0.619"]
    assert all(map(told, ("1.8461", "0.2254", "0.912", "0.9 %", "62 %")))


def test_order_of_points():
    first, second, error, blind, blind_error, floor = solved("order_of_points").values()
    assert abs(first + 1) < 1e-12 and abs(second - 2) < 1e-12 and error < 1e-20
    assert abs(blind - 0.5) < 0.02 and abs(blind_error / floor - 1) < 0.01
    assert f"{floor:.2f}" == "5.69" and told("5.69")


def test_gain_of_relu():
    found, root, growth, of_tanh = solved("gain_of_relu").values()
    assert abs(found - root) < 0.01 and abs(growth - 1) < 0.1 and of_tanh < -0.1
    assert f"{found:.2f}" == "1.41" and f"{of_tanh:.2f}" == "-0.22" and told("0.22")


def test_clipping():
    found = solved("clipping")
    small, grown = ([v for k, v in found.items() if k.endswith(g)] for g in ("0.5", "1.5"))
    assert small[0] == pytest.approx(small[1]) and abs(small[2]) < 1e-3
    assert grown[0] > 1e21 and grown[1] <= 10 and f"{grown[2]:.2f}" == "0.46"
    for _, _, before, after in (small, grown):
        assert after == pytest.approx(before, rel=1e-5)
    assert f"{small[0]:.2f}" == "0.78" and told("0.46") and told("0.78")


def test_delta_x():
    with_it, without = solved("delta_x").values()
    assert with_it < 1e-6 and f"{without:.2f}" == "0.25" and told("25 %")


def test_ratio():
    assert [*solved("ratio").values()] == [270, 284, 20, None]
    assert all(map(told, ("270", "284", "20")))


@pytest.mark.wide
def test_five_bugs():
    found = solved("five_bugs")
    (reset,), clipped, gate, padding, detached = ([*e.values()] for e in found.values())
    assert f"{reset:.2f}" == "0.79" and told("0.79")
    assert clipped[0] == 18 / 32 and clipped[1] > 1000 and f"{clipped[2]:.2f}" == "-0.17"
    assert [f"{gate[0]:.2f}", f"{gate[1]:.3f}"] == ["-1.83", "-0.049"]
    assert padding == [1, 28 / 32]
    assert detached[:2] == [1, 0] and f"{detached[2]:.2f}" == "1.32"
    assert all(map(told, ("56 %", "-0.17", "-1.83", "-0.049", "1.32")))


REPAIRS = {  # what is wrong in a program, and how it is right
    "2": ("jax.vmap(clipped)(each))", "each)"),
    "3": ("(1 - gate) * h + gate * new", "gate * h + (1 - gate) * new"),
    "4": ("t <= length", "t < length"),
    "5": ("        h = jax.lax.stop_gradient(h)\n", ""),
}


@pytest.mark.parametrize("n", REPAIRS)
def test_without_the_bug_there_is_no_evidence(n, tmp_path, monkeypatch):
    """So that the evidence is of the bug, and not of the program."""
    five, (wrong, right) = program(LECTURE / "solutions" / "five_bugs.py"), REPAIRS[n]
    text = (five.BROKEN / f"program_{n}.py").read_text()
    assert text.count(wrong) == 1
    (tmp_path / f"program_{n}.py").write_text(text.replace(wrong, right))
    monkeypatch.setattr(five, "BROKEN", tmp_path)
    first, second, *rest = map(float, five.BUGS[int(n) - 1]().values())
    if n == "2":
        assert rest == [pytest.approx(1, abs=1e-5)]
    elif n == "3":
        assert first == pytest.approx(second, abs=0.02)
    elif n == "4":
        assert first == 0
    else:
        assert first > 1 and second != 0


def test_forget_bias():
    bias, silent, listening, expected = solved("forget_bias").values()
    assert f"{bias:.2f}" == "4.97" and told("4.97")
    assert math.isclose(silent, 100, rel_tol=1e-3) and f"{listening:.0f}" == "73" and told("73")
    assert f"{expected:.0f}" == "61" and told("61")
