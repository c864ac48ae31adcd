"""Tables of claims: what is selected, left out, named, inherited and refused."""

import numpy as np
import pytest
import xarray as xr

from rnnjax.claims import Claim, ClaimError, Group, Row, evaluate, swept


@pytest.fixture
def cube():
    """Numbers 0 to 5 over activation and gain, of networks with 8 units."""
    numbers = np.arange(6.0).reshape(2, 3)
    coordinates = {"activation": ["identity", "tanh"], "gain": [0.5, 1.0, 2.0]}
    return xr.Dataset(
        {"number": (("activation", "gain"), numbers)},
        coords=coordinates,
        attrs={"config": '{"axes": {}, "n_h": 8}'},
    )


def number(one):
    return one["number"]


def largest(one):
    return one["number"].max()


def told(rows, cube):
    return {claim.name: claim.measured for claim in evaluate(rows, cube)}


def test_a_row_is_one_claim_with_all_that_it_states(cube):
    row = Row("largest", largest, unit="nat", at_most=4.5, tolerance=0.25, source="by eye",
              reproduces="figure 1")  # fmt: skip
    (claim,) = evaluate([row], cube)
    assert (claim.name, claim.measured, claim.expected) == ("largest, nat", 5.0, 4.5)
    assert (claim.tolerance, claim.relation, claim.passed) == (0.25, "at_most", False)
    assert (claim.source, claim.reproduces) == ("by eye", "figure 1")


@pytest.mark.parametrize(
    ("expected", "relation"), [("equals", "equal"), ("at_most", "at_most"), ("at_least",) * 2]
)
def test_the_three_relations(cube, expected, relation):
    (claim,) = evaluate([Row("a", largest, **{expected: 5})], cube)
    assert (claim.relation, claim.tolerance, claim.passed) == (relation, 0.0, True)


@pytest.mark.parametrize("given", [{}, {"equals": 0, "at_most": 0.0}])
def test_a_row_has_one_relation(given):
    with pytest.raises(ValueError, match=r"row 'a': expected one of equals, at_most and at_least"):
        Row("a", largest, **given)


def test_for_each_value_of_an_axis(cube):
    rows = [Row("{activation}: largest", largest, equals=0, for_each="activation")]
    assert told(rows, cube) == {"identity: largest": 2.0, "tanh: largest": 5.0}


def test_for_each_combination_leaves_out_what_was_not_swept(cube):
    cases = {"activation": ("tanh", "relu"), "gain": (2.0, 3.0, 0.5)}
    rows = [Row("{activation} {gain:g}", number, equals=0, for_each=cases)]
    assert told(rows, cube) == {"tanh 2": 5.0, "tanh 0.5": 3.0}


def test_cases_hold_axes_and_values_that_fill_templates_and_arguments(cube):
    cases = (
        {"gain": 0.5, "words": "low", "known": 3.0, "slack": 0.5},
        {"gain": 7.0, "words": "not swept", "known": 0.0, "slack": 0.0},
    )
    row = Row("{words}", lambda one, words: largest(one) + len(words), for_each=cases,
              equals="known", tolerance="slack", source="{words} gain {gain}")  # fmt: skip
    (claim,) = evaluate([row], cube)
    assert (claim.name, claim.measured, claim.expected) == ("low", 6.0, 3.0)
    assert (claim.tolerance, claim.source) == (0.5, "low gain 0.5")


def test_cases_may_depend_on_the_cube(cube):
    row = Row("{n}", largest, equals=0, for_each=lambda cube: [{"n": cube.sizes["gain"]}])
    assert told([row], cube) == {"3": 5.0}


@pytest.mark.parametrize("cases", [(), [], {"gain": []}, lambda cube: [], lambda cube: ()])
def test_without_any_case_there_is_no_claim(cube, cases):
    rows = (Row("{noise}", lambda one, noise: noise, equals=0, for_each=cases),)
    assert evaluate([*rows, Group(rows), Group(rows, for_each=cases)], cube) == []
    assert len(evaluate([Group((Row("a", largest, equals=0),))], cube)) == 1


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ({"gain": 0.5}, 3.0),
        ({"gain": [0.5, 1.0, 9.0]}, 4.0),
        ({"gain": lambda gain: gain < 0.8}, 3.0),
        ({"activation": "identity"}, 2.0),
        ({"activation": "relu"}, None),
        ({"gain": (7.0, 8.0)}, None),
        ({"gain": lambda gain: gain > 5}, None),
    ],
)
def test_at_selects_and_leaves_out(cube, at, found):
    values = [*told([Row("a", largest, equals=0, at=at)], cube).values()]
    assert values == ([] if found is None else [found])


def test_a_part_without_cells_makes_no_claim(cube):
    few = Row("few", largest, equals=0, part=lambda cube: cube.isel(gain=[0, 1]))
    none = Row("none", largest, equals=0, part=lambda cube: cube.isel(gain=[]))
    assert told([few, none], cube) == {"few": 4.0}


def test_conditions_see_what_was_selected_and_must_all_hold(cube):
    def row(name, *when):
        return Row(name, largest, equals=0, at={"activation": "tanh"}, when=when)

    rows = [
        row("both", swept(gain=(0.5, 2.0)), lambda one: one["activation"] == "tanh"),
        row("one", swept(gain=0.5), swept(gain=3.0)),
        row("tanh", swept(activation="tanh")),
    ]
    assert [*told(rows, cube)] == ["both", "tanh"]


def test_nothing_to_measure_leaves_the_row_out(cube):
    assert evaluate([Row("a", lambda cube: None, equals=0)], cube) == []


def test_texts_know_the_setting_and_the_sizes(cube):
    name = "n = {cube.setting.n_h}, {cube.sizes[gain]} gains, {{k}}"
    assert [*told([Row(name, largest, equals=0)], cube)] == ["n = 8, 3 gains, {k}"]


def test_quantities_are_functions_of_the_selected_cube(cube):
    row = Row(lambda one, gain: f"at {gain:g}", number, equals=lambda one: one["number"],
              tolerance=lambda one: one.setting.n_h / 8, for_each="gain",
              at={"activation": "tanh"})  # fmt: skip
    assert [(c.name, c.expected, c.tolerance, c.passed) for c in evaluate([row], cube)] == [
        ("at 0.5", 3.0, 1.0, True), ("at 1", 4.0, 1.0, True), ("at 2", 5.0, 1.0, True)
    ]  # fmt: skip


def test_a_group_goes_case_by_case_and_shares_what_its_rows_do_not_state(cube):
    rows = (
        Row("{activation} a", largest, equals=0),
        Row("{activation} b", largest, equals=0, source="own", tolerance=1, reproduces="{gain:g}"),
    )
    group = Group(rows, for_each="activation", at={"gain": 1.0}, source="shared", tolerance=2,
                  reproduces="figure")  # fmt: skip
    found = evaluate([group], cube)
    assert [c.name for c in found] == ["identity a", "identity b", "tanh a", "tanh b"]
    assert [c.measured for c in found] == [1.0, 1.0, 4.0, 4.0]
    assert [(c.source, c.tolerance, c.reproduces) for c in found[:2]] == [
        ("shared", 2.0, "figure"), ("own", 1.0, "1")
    ]  # fmt: skip


def test_an_inner_tolerance_of_zero_is_stated_and_not_inherited(cube):
    (claim,) = evaluate([Group((Row("a", largest, equals=0, tolerance=0),), tolerance=2)], cube)
    assert claim.tolerance == 0


def test_functions_that_return_claims_stand_among_rows(cube):
    (inner,) = evaluate([Row("by hand", largest, equals=0)], cube)
    rows = [Row("row", largest, equals=0), Group((lambda part: [inner],), at={"gain": 9.0})]
    assert [*told([*rows, lambda cube: [inner]], cube)] == ["row", "by hand"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Row("a", lambda cube: cube["numbr"], equals=0), "claim 'a': KeyError: "),
        (Row("a", number, equals=0), r"claim .a.: .*one number, got shape \(2, 3\) over "),
        (Row("a", largest, equals=0, at={"gian": 1}), r"claim 'a': .*activation, gain.*'gian'"),
        (Row("a {b}", largest, equals=0), "claim 'a {b}': KeyError: 'b'"),
        (Row("a", largest, equals="b"), "claim 'a': KeyError: 'b'"),
        (Row("a", largest, equals=lambda cube, b: b), "claim 'a': TypeError: .*'b'"),
        (Row("a", largest, equals=0, tolerance=-1), "claim 'a': .*tolerance"),
        (Row("{activation}", lambda one: one.setting.n, equals=0, for_each="activation"),
         "claim 'identity': AttributeError: setting: expected one of n_h, got 'n'"),
        ("a", "expected a Row, a Group or a function"),
    ],
)  # fmt: skip
def test_errors_are_one_line_that_names_the_claim(cube, row, message):
    with pytest.raises(ClaimError, match=message) as raised:
        evaluate([row], cube)
    assert "\n" not in str(raised.value)


def test_an_error_keeps_the_frames_of_the_function(cube):
    def wrong(cube):
        return cube["nothing"]

    with pytest.raises(ClaimError) as raised:
        evaluate([Row("a", wrong, equals=0)], cube)
    assert "wrong" in [entry.name for entry in raised.traceback]


def test_names_differ(cube):
    with pytest.raises(ClaimError, match="'a' twice"):
        evaluate([Row("a", largest, equals=0)] * 2, cube)


def share_below(one):
    return (one["number"] < 9).mean()


def test_a_share_of_a_variable_without_any_number_is_no_number(cube):
    rows = [Row("share", share_below, equals=0), Row("sizes", lambda one: one.sizes["gain"],
            equals=3), Row("other", lambda one: one["other"].mean(), equals=1)]  # fmt: skip
    other = cube.assign(other=("gain", [1.0, 1.0, 1.0]))
    empty = evaluate(rows, other.assign(number=other["number"].where(False)))
    assert [claim.passed for claim in empty] == [False, True, True]
    assert np.isnan(empty[0].measured)
    one = other["number"].where(other["number"] > 4)
    assert [c.passed for c in evaluate(rows[1:], other.assign(number=one))] == [True, True]
    assert evaluate(rows, other.assign(number=one))[0].measured == pytest.approx(1 / 6)


def test_the_part_that_is_selected_must_hold_numbers(cube):
    half = cube.assign(number=cube["number"].where(cube["activation"] == "tanh"))
    found = evaluate([Row("{activation}", share_below, at_most=1, for_each="activation")], half)
    assert [(claim.name, claim.passed) for claim in found] == [("identity", False), ("tanh", True)]


def test_infinities_are_numbers(cube):
    row = Row("share", share_below, equals=0)
    assert evaluate([row], cube.assign(number=cube["number"] + np.inf))[0].passed


@pytest.mark.parametrize(("code", "passed"), [(0, False), (1, True), (5, False)])
def test_integers_that_fill_failed_cells_are_no_numbers(cube, code, passed):
    attributes = {"flag_values": np.array([0, 1, 5], np.int8), "flag_meanings": "missing ok failed"}
    cells = cube.assign(
        step=("gain", [-1, -1, -1]),
        step_status=("gain", np.full(3, code, np.int8), attributes),
    )
    row = Row("without a step", lambda one: (one["step"] == -1).mean(), equals=1)
    assert evaluate([row], cells)[0].passed == passed


@pytest.mark.parametrize(
    "attributes",
    [
        {"flag_values": np.int8(0), "flag_meanings": "missing"},  # as netCDF reads one code
        {"flag_values": np.int8([0, 1]), "flag_meanings": "missing"},
        {"flag_meanings": "missing ok"},
    ],
)
def test_a_status_whose_words_were_edited_is_no_error(cube, attributes):
    cells = cube.assign(
        step=("gain", [-1, -1, -1]), step_status=("gain", np.zeros(3, np.int8), attributes)
    )
    row = Row("without a step", lambda one: (one["step"] == -1).mean(), equals=1)
    # One code that says that there is no number is understood, and the others say nothing.
    assert evaluate([row], cells)[0].passed == (np.ndim(attributes.get("flag_values")) == 1 or
                                                "flag_values" not in attributes)  # fmt: skip


def by_hand(cube):
    """Claims of a whole cube, of which those on the share rest on ``number`` alone."""
    share = float((cube["number"] < 9).mean())
    return [
        Claim("share", share, 0, 0, ""),
        Claim("expected", 0, share, 0, ""),
        Claim("other", float(cube["other"].mean()), 1, 0, ""),
        Claim("gains", cube.sizes["gain"], 3, 0, ""),
    ]


def test_claims_of_a_function_that_rest_on_no_number_do_not_pass(cube):
    cells = cube.assign(other=("gain", [1.0, 1.0, 1.0]))
    empty = cells.assign(number=cells["number"].where(False))
    found = evaluate([by_hand, Row("row", largest, equals=0)], empty)
    assert [claim.passed for claim in found] == [False, False, True, True, False]
    assert np.isnan([claim.measured for claim in found[:2]]).all()
    far = evaluate([by_hand], cells.assign(number=cells["number"] + 9))
    assert [claim.passed for claim in far] == [True] * 4


def test_a_function_may_ask_whether_there_are_numbers(cube):
    def claims(cube):
        yield Claim("sizes", cube.sizes["gain"], 3, 0, "")
        if cube["number"].notnull().any():
            yield Claim("largest", float(cube["number"].max()), 5, 0, "")

    empty = cube.assign(number=cube["number"].where(False))
    assert [claim.passed for claim in evaluate([claims], empty)] == [True]
    assert [claim.passed for claim in evaluate([claims], cube)] == [True, True]


@pytest.mark.parametrize("key", ["equals", "at_most", "at_least", "tolerance"])
def test_a_quantity_that_rests_on_no_number_does_not_pass(cube, key):
    empty = cube.assign(number=cube["number"].where(False))
    expected = {"equals": 0} if key == "tolerance" else {}
    row = Row("a", lambda one: 0.0, **expected, **{key: share_below})
    (claim,) = evaluate([row], empty)
    assert np.isnan(claim.measured) and not claim.passed


def test_a_masked_number_is_none(cube):
    (claim,) = evaluate([Row("a", lambda cube: np.ma.masked, equals=0)], cube)
    assert np.isnan(claim.measured) and not claim.passed


@pytest.mark.parametrize("value", [1j, np.datetime64("2020", "ns"), "3", np.array(1j), None, "a"])
def test_a_claim_is_on_real_numbers(cube, value):
    rows = [Row("a", largest, equals=lambda cube: value)]
    with pytest.raises(ClaimError, match=r"claim 'a': .*real number"):
        evaluate(rows, cube)


@pytest.mark.parametrize("value", [1j, None, "a", (1, 2)])
def test_a_claim_made_by_hand_is_on_real_numbers(value):
    with pytest.raises(ValueError, match=r"^claim 'a': expected measured to be a real number, got"):
        Claim("a", value, 0, 0, "")


@pytest.mark.parametrize("made", [lambda cube: [0.5], lambda cube: ["passed"]])
def test_a_function_returns_claims(cube, made):
    with pytest.raises(ClaimError, match=r"<lambda>: expected values of rnnjax.Claim, got "):
        evaluate([made], cube)
