"""Two reports side by side: differences, what cannot be matched, and the fate of alarms."""

import math
from dataclasses import replace

import pytest

from rnnjax.reports import Comparison, Report
from tests.reports.datasets import HEALTHY, SICK, Layer, dataset, healthy, sick, two_layers
from tests.reports.pages import Page


def pair():
    before, after = sick("vanishing"), two_layers()
    before.attrs["title"], after.attrs["title"] = "before", "after <b>"
    return Report(before), Report(after)


def row(comparison, name, layer="Net/RNN_0"):
    return next(r for r in comparison.rows if (r.layer, r.name) == (layer, name))


def test_differences_and_their_errors_by_hand():
    before, after = pair()
    comparison = before.compare(after)
    first, second = (
        {f.name: f for f in r.findings if f.layer == "Net/RNN_0"} for r in (before, after)
    )
    window = row(comparison, "window")
    assert window.difference == second["window"].number - first["window"].number > 0
    spectrum = row(comparison, "spectrum")
    assert spectrum.difference == pytest.approx(-0.08 + 1.4)
    assert spectrum.error == pytest.approx(math.hypot(0.01, 0.01))
    assert spectrum.texts() == (
        "-1.400 ± 0.010 nat a step", "-0.080 ± 0.010 nat a step", "+1.320 ± 0.014"
    )  # fmt: skip
    assert math.isnan(row(comparison, "horizon").difference)  # not reached in the second
    assert row(comparison, "horizon").texts()[1:] == ("not reached", "–")


def test_shares_differ_by_points():
    comparison = Report(healthy()).compare(Report(sick("saturated")))
    assert row(comparison, "flat units").texts() == ("0 % of units", "75 % of units", "+75 points")
    back = Report(sick("saturated")).compare(Report(healthy()))
    assert row(back, "flat units").texts()[2] == "-75 points"


def test_alarms_that_are_new_gone_or_stay():
    ill, well = Report(sick("dead")), Report(healthy(activation="relu", keep=False))
    assert ill.compare(well).verdict == "1 alarm gone."
    assert well.compare(ill).verdict == "1 alarm new."
    assert ill.compare(ill).verdict == "1 alarm in both."
    assert well.compare(well).verdict == "No alarm in either."
    assert row(well.compare(ill), "dead units").alarm == "new"


def test_what_cannot_be_matched_is_said(tmp_path):
    before, after = pair()
    data = dataset(replace(HEALTHY, T=50, n=10), Layer("Net/other"), n_examples=3, title="third")
    data.attrs["dtype"] = "float16"
    comparison = after.compare(Report(data))
    assert comparison.layers == ("Net/RNN_0",)
    assert comparison.notes == (
        "Only in after <b>: Net/RNN_1.",
        "Only in third: Net/other.",
        "Net/RNN_0: different steps, 100 and 50.",
        "Net/RNN_0: different size of the state, 24 and 10.",
        "Different examples: 6 and 3.",
        "Different number format: float32 and float16.",
    )
    page = Page(comparison.to_html(tmp_path / "page.html").read_text(encoding="utf-8"))
    for note in comparison.notes:
        assert note in page.text and note in str(comparison)
    nothing = before.compare(Report(healthy(name="x")))
    assert nothing.verdict == "No layer has the same name in both reports." and not nothing.layers
    with pytest.raises(ValueError, match=r"^dataset: expected a measurement that can be drawn"):
        nothing.figure()


def test_a_report_and_itself_differ_by_nothing():
    report = Report(sick("vanishing"))
    comparison = report.compare(report)
    assert all(r.difference == 0 or math.isinf(r.before.number) for r in comparison.rows)
    assert comparison.notes == () and comparison.titles == ("a model (1)", "a model (2)")


def test_the_page_holds_every_number_and_is_well_formed(tmp_path):
    comparison = pair()[0].compare(pair()[1])
    text = comparison.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    for told in comparison.rows:
        assert told.name in page.texts
        assert all(cell in page.texts for cell in told.texts())
    assert page.tags.count("svg") == 3 and "http" not in text and "<b>" not in text
    assert Page(comparison._repr_html_()).by_tag["h1"] == ["before → after <b>"]


def test_text_has_one_table_a_layer():
    comparison = pair()[0].compare(pair()[1])
    words = " ".join(str(comparison).split())
    assert words.startswith("before -> after <b> 1 alarm gone. Only in after <b>: Net/RNN_1.")
    assert "spectrum -1.400 ± 0.010 nat a step -0.080 ± 0.010 nat a step +1.320 ± 0.014" in words
    assert repr(comparison) == "Comparison(1 layer: 1 alarm gone.)"


@pytest.mark.wide
def test_pages_of_many_layers_stay_small(tmp_path):
    layers = [replace(HEALTHY, name=f"L{i}", T=300, wobble=3.0) for i in range(40)]
    sick_layers = [*layers[:39], replace(SICK["saturated"], name="L39", T=300)]
    comparison = Report(dataset(*layers)).compare(Report(dataset(*sick_layers)))
    path = comparison.to_html(tmp_path / "page.html")
    assert path.stat().st_size < 500_000
    assert "layer-39" in Page(path.read_text(encoding="utf-8")).ids


def test_only_reports_are_compared():
    with pytest.raises(ValueError, match=r"^other: expected a Report, got 3$"):
        Comparison(Report(healthy()), 3)
