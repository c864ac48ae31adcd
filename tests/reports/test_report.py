"""A report as text and as a page: complete, escaped, self-contained, small, the same every time."""

import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from rnnjax.reports import Remedy, Report
from tests.reports.datasets import HEALTHY, SICK, Layer, dataset, healthy, sick, two_layers
from tests.reports.pages import Page

HOSTILE = '<script>alert("x")</script>&amp; [bold red]$x_{\x1b[31m\n\u202e日本'
REMEDY = Remedy("Net/RNN_0", "horizon", "forget bias + 2", 4, 31, "steps", "It grows <to> 31.")


def html(report, tmp_path):
    return report.to_html(tmp_path / "new" / "page.html").read_text(encoding="utf-8")


def everything():
    """All that is sick, each in a layer of its own."""
    return dataset(*(replace(layer, name=name) for name, layer in SICK.items()), title="all")


def test_what_is_fine_gets_no_alarm():
    report = Report(healthy())
    assert report.verdict == "No alarm." and report.alarms == ()
    assert "ALARM" not in str(report) and repr(report) == "Report(1 layer: No alarm.)"
    assert Report(healthy().isel(layer=[])).verdict == "No recurrent layer."


@pytest.mark.parametrize("name", SICK)
def test_text_holds_every_alarm_and_every_sentence(name):
    report = Report(sick(name), [REMEDY])
    words = " ".join(str(report).split())
    for found in report.findings:
        assert found.statement in words
    for found in report.alarms:
        assert f"ALARM {found.layer}: {found.statement}" in words
    assert "Net/RNN_0: It grows <to> 31. (horizon 4 -> 31 steps)" in words
    assert str(report) == str(Report(sick(name), (REMEDY,)))


def test_text_fits_its_width_and_has_no_control_characters():
    text = str(Report(dataset(replace(SICK["dead"], name=HOSTILE), title=HOSTILE)))
    assert all(len(line) <= 100 for line in text.splitlines())
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "[bold red]" in text and "\\x1b[31m" in text


def test_rich_shows_the_same_words_in_colour():
    report = Report(sick("dead"))
    file = io.StringIO()
    Console(file=file, width=100, force_terminal=True, color_system="standard").print(report)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())
    assert plain.split() == str(report).split() and "\x1b[1;31m" in file.getvalue()


def test_a_line_shows_the_gradient_falling():
    line = next(x for x in str(Report(sick("vanishing"))).splitlines() if "█" in x)
    blocks = re.search(r"█[▁-█]+", line).group()
    assert list(blocks) == sorted(blocks, reverse=True) and blocks[-1] == "▁"


@pytest.mark.parametrize("name", ["healthy", *SICK])
def test_a_page_is_well_formed_and_says_what_the_report_says(name, tmp_path):
    report = Report(healthy() if name == "healthy" else sick(name), [REMEDY])
    text = html(report, tmp_path)
    page = Page(text)
    for found in report.findings:
        assert found.statement in page.text and found.compared_with in page.text
        assert found.source in page.text
    assert page.by_tag["h1"] == ["a model"]
    assert page.tags.count("svg") == page.tags.count("desc") == page.tags.count("figcaption") >= 5
    for told in ("0.10.2", "2026-11-29", "forget bias + 2", "It grows <to> 31.", "4 steps"):
        assert told in page.text
    assert "http" not in text and "url(" not in text and "@import" not in text
    assert ("Alarm" in page.text) == (name != "healthy")


def test_charts_have_titles_axes_with_units_and_words(tmp_path):
    page = Page(html(Report(healthy()), tmp_path))
    for told in ("Gradient by lag", "lag k (steps back)", "norm of dL/dh at lag k", "nat per step",
                 "share of the weight gradient", "window K (steps)"):  # fmt: skip
        assert told in page.texts
    assert all(len(told) > 20 for told in page.by_tag["desc"])


def test_the_point_in_the_picture_is_the_number_in_the_sentence(tmp_path):
    report = Report(sick("vanishing"))
    page = Page(html(report, tmp_path))
    numbers = {f.name: int(f.number) for f in report.findings if math.isfinite(f.number)}
    assert f"two decades: lag {numbers['horizon']}" in page.texts
    assert f"K = {numbers['window']}" in page.texts
    assert f"float32 reads 0 from lag {numbers['underflow float32']}" in page.texts
    assert f"last {numbers['where weights learn']} steps" in page.texts


def test_names_from_the_program_are_text(tmp_path):
    data = dataset(
        replace(HEALTHY, name=HOSTILE, state=HOSTILE),
        replace(SICK["dead"], name="b"),
        title=HOSTILE,
    )
    data.attrs["unmeasured"] = [HOSTILE]
    remedy = Remedy(HOSTILE, HOSTILE, HOSTILE, 1, math.inf, HOSTILE, HOSTILE)
    text = html(Report(data, [remedy]), tmp_path)
    page = Page(text)
    assert "script" not in page.tags and "<script" not in text
    assert '<script>alert("x")</script>&amp; [bold red]' in page.text
    assert all(c.isprintable() or c == "\n" for c in text)
    assert Page(Report(data, [remedy])._repr_html_()).tags[:2] == ["style", "main"]


def test_a_page_is_the_same_bytes_and_one_file(tmp_path):
    report = Report(two_layers())
    first = report.to_html(tmp_path / "a.html").read_bytes()
    assert first == Report(two_layers()).to_html(str(tmp_path / "b.html")).read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_pages_stay_small_with_many_layers_and_steps(tmp_path):
    layers = [replace(HEALTHY, name=f"Net/RNN_{i}", T=300, wobble=3.0) for i in range(40)]
    layers[30] = replace(SICK["dead"], name="Net/RNN_30")
    report = Report(dataset(*layers))
    text = html(report, tmp_path)
    assert len(text.encode()) < 500_000
    page = Page(text)
    # The layer with an alarm has a section although it comes late; every layer has its line.
    assert "layer-30" in page.ids and "layer-29" not in page.ids
    assert all(name in page.texts for name in report.layers)


def test_the_date_is_that_of_the_data_or_of_the_environment(tmp_path, monkeypatch):
    data = healthy()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert "2026-11-29" in html(Report(data), tmp_path)
    del data.attrs["date"]
    assert "1970-01-02" in html(Report(data), tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(ValueError, match=r"^SOURCE_DATE_EPOCH: expected .* got 'soon'$"):
        Report(data).to_html(tmp_path / "c.html")
    assert not (tmp_path / "c.html").exists()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert "<dt>Date" not in html(Report(data), tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "dataset: expected an xarray.Dataset with the dimension 'layer', got a int"),
        (xr.Dataset({"a": ("x", [1])}), "dataset: expected .* got dimensions x"),
        (xr.Dataset({"a": ("layer", [1])}), "layer: expected names as a coordinate, got none"),
        (dataset(HEALTHY, HEALTHY), "layer: expected names that differ, got 'Net/RNN_0' twice"),
        (dataset(replace(HEALTHY, name="")), "layer: expected names, got ''"),
    ],
)
def test_another_dataset_is_refused_in_one_line(data, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Report(data)


def test_remedies_are_checked():
    with pytest.raises(ValueError, match=r"^remedies: expected values of Remedy, got 3$"):
        Report(healthy(), [3])
    other = replace(REMEDY, layer="x")
    with pytest.raises(ValueError, match=r"^remedies: expected a layer of the dataset or ''"):
        Report(healthy(), [other])
    with pytest.raises(ValueError, match=r"^number_after: expected a number that was measured"):
        replace(REMEDY, number_after=math.nan)
    assert type(replace(REMEDY, number_after=np.float32(2)).number_after) is float


def test_what_was_not_measured_is_listed(tmp_path):
    data = healthy()
    data.attrs["unmeasured"] = "while_loop at model.py:9 has no reverse mode"
    report = Report(data)
    assert report.unmeasured == (data.attrs["unmeasured"],)
    assert data.attrs["unmeasured"] in str(report)
    assert data.attrs["unmeasured"] in Page(html(report, tmp_path)).text


@pytest.mark.parametrize("layer", [Layer(T=1, n=1), Layer(T=2, n=1), Layer(T=5, n=3)], ids=str)
def test_the_smallest_sequences_are_shown(layer, tmp_path):
    report = Report(dataset(layer, n_examples=1))
    Page(html(report, tmp_path))
    assert report.verdict in str(report)


def test_a_dataset_without_measurements_is_shown(tmp_path):
    empty = xr.Dataset(coords={"layer": ["a"]})
    assert "No alarm." in str(Report(empty))
    assert "<svg" not in html(Report(empty), tmp_path)
    assert Page(html(Report(empty.isel(layer=[])), tmp_path)).texts


def test_zeros_and_numbers_that_are_not_finite_are_shown(tmp_path):
    data = healthy()
    data["log_norm_by_lag"][0, :, 50:] = -np.inf
    data["log_norm_forward"][0, :, 10:20] = np.nan
    data["log_norm_forward"][0, 0, 60:] = np.inf
    text = html(Report(data), tmp_path)
    assert "circle" in Page(text).tags  # the curve ends in a dot
    assert not re.search(r"nan|inf", " ".join(re.findall(r' d="[^"]*"', text)))
    data["log_norm_by_lag"][:] = -np.inf
    Page(html(Report(data), tmp_path))


def test_all_at_once(tmp_path):
    report = Report(everything())
    assert report.verdict == "11 alarms in 9 layers."
    Page(html(report, tmp_path))
