"""Claims: verdicts at the edges, strict JSON, a table that fits the page."""

import json
import math
import textwrap

import numpy as np
import pytest

from rnnjax.claims import Claim, claims_table, claims_to_json, write_claims

inf, nan = math.inf, math.nan


def _claim(measured=1.0, expected=1.0, tolerance=0.25, relation="equal", name="n", source="s"):
    return Claim(name, measured, expected, tolerance, source, relation)


@pytest.mark.parametrize(
    ("relation", "measured", "passed"),
    [
        ("equal", 1.25, True),
        ("equal", 0.75, True),
        ("equal", 1.2500001, False),
        ("equal", 0.7499999, False),
        ("at_most", 1.25, True),
        ("at_most", -inf, True),
        ("at_most", 1.2500001, False),
        ("at_least", 0.75, True),
        ("at_least", inf, True),
        ("at_least", 0.7499999, False),
        ("equal", nan, False),
        ("at_most", nan, False),
        ("at_least", nan, False),
        ("equal", inf, False),
    ],
)
def test_verdict_at_the_edge_of_the_tolerance(relation, measured, passed):
    assert _claim(measured, relation=relation).passed is passed


@pytest.mark.parametrize("relation", ["equal", "at_most", "at_least"])
def test_an_expected_infinity_is_met_by_the_same_one(relation):
    assert _claim(inf, inf, relation=relation).passed is True
    assert _claim(-inf, -inf, relation=relation).passed is True
    assert _claim(-inf, inf, relation="equal").passed is False


@pytest.mark.parametrize("relation", ["equal", "at_most", "at_least"])
def test_an_expected_nan_never_passes(relation):
    assert _claim(expected=nan, relation=relation).passed is False


def test_array_scalars_become_plain_floats():
    claim = _claim(np.float32(0.5), np.array(0.5), np.float64(0))
    assert claim.passed is True
    assert {type(value) for value in (claim.measured, claim.expected, claim.tolerance)} == {float}
    assert json.loads(claims_to_json([claim]))[0]["measured"] == 0.5


@pytest.mark.parametrize("tolerance", [-1e-9, nan, inf])
def test_a_tolerance_under_which_a_claim_could_not_fail_or_pass_is_refused(tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        _claim(tolerance=tolerance)


def test_an_unknown_relation_is_refused():
    with pytest.raises(ValueError, match="'about'"):
        _claim(relation="about")


def test_json_is_strict_and_complete():
    claims = [_claim(nan, name="b"), _claim(inf, -inf, name="a", relation="at_least")]
    text = claims_to_json(claims)

    def refuse(constant):
        raise AssertionError(f"not strict JSON: {constant}")

    first, second = json.loads(text, parse_constant=refuse)
    assert first == {
        "name": "a",
        "measured": "inf",
        "expected": "-inf",
        "tolerance": 0.25,
        "relation": "at_least",
        "source": "s",
        "passed": True,
    }
    assert second["measured"] == "nan" and second["passed"] is False


def test_json_is_the_same_in_any_order_and_refuses_doubled_names():
    claims = [_claim(name=name) for name in ("b", "c", "a")]
    assert claims_to_json(claims) == claims_to_json(reversed(claims))
    assert claims_to_json(claims).index('"expected"') < claims_to_json(claims).index('"measured"')
    with pytest.raises(ValueError, match="'b' twice"):
        claims_to_json([*claims, _claim(2.0, name="b")])


def test_numbers_survive_json_to_the_last_bit(tmp_path):
    path = tmp_path / "results" / "claims.json"
    write_claims(path, [_claim(0.1 + 0.2, source="Poincaré")])
    (record,) = json.loads(path.read_text(encoding="utf-8"))
    assert record["measured"] == 0.1 + 0.2 and record["source"] == "Poincaré"
    assert [child.name for child in path.parent.iterdir()] == ["claims.json"]


def test_a_refused_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "claims.json"
    write_claims(path, [_claim()])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="twice"):
        write_claims(path, [_claim(), _claim()])
    assert path.read_bytes() == before


def test_table_tells_verdict_relation_tolerance_and_source():
    table = claims_table(
        [
            _claim(0.6931, 0.6931472, 1e-3, name="decay rate", source="closed form"),
            _claim(2.0, 1.0, 0.0, "at_most", name="spectral radius", source="Ginibre 1965"),
            _claim(nan, 0.0, 0.5, "at_least", name="lost", source=""),
        ]
    )
    lines = table.splitlines()
    assert lines[0].split() == ["claim", "measured", "expected", "verdict", "source"]
    assert set(lines[1]) == {"-"}
    assert " ".join(lines[2].split()) == "decay rate 0.6931 = 0.693147 +/- 0.001 pass closed form"
    assert " ".join(lines[3].split()) == "spectral radius 2 <= 1 + 0 FAIL Ginibre 1965"
    assert " ".join(lines[4].split()) == "lost nan >= 0 - 0.5 FAIL"
    assert lines[5] == "1 of 3 claims passed"
    assert lines[2].index("closed") == lines[3].index("Ginibre") == lines[0].index("source")
    assert claims_table([]) == "no claims"


@pytest.mark.parametrize("name", ["short", "a long name of a claim " * 6, "x" * 90])
@pytest.mark.parametrize("number", [1.0, -1.23456789e-123])
def test_table_fits_110_columns_and_drops_no_word_of_a_name(name, number):
    source = "Author, Another Author, and a Third (2018), A Title That Goes On, " * 8
    table = claims_table([_claim(number, number, 1.2e-100, "at_least", name, source), _claim()])
    assert max(map(len, table.splitlines())) <= 110
    assert " ..." in table
    width = max(map(len, textwrap.wrap(name, 36)))
    first_column = "".join(line[:width] for line in table.splitlines()[2:-2])
    assert "".join(first_column.split()) == "".join(name.split())
