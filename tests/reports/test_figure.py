"""The figure: a row a layer, marks at the numbers of the findings, and any name as plain text."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from rnnjax.figures import save_figure
from rnnjax.reports import Report
from rnnjax.reports.charts import charts
from tests.reports.datasets import HEALTHY, SICK, Layer, dataset, healthy, sick, two_layers


def panels(figure):
    return [ax for ax in figure.axes if ax.get_visible()]


def title(ax):
    return ax.get_title("left")


def test_a_row_for_each_layer_and_a_panel_for_each_measurement():
    report = Report(dataset(SICK["shut"], replace(HEALTHY, name="b", activation="", keep=False)))
    figure = report.figure()
    assert title(figure.axes[0]).splitlines() == ["Net/RNN_0", "Gradient by lag"]
    shown = [title(ax).splitlines()[-1] for ax in panels(figure)]
    expected = [chart.title for reading in report.readings for chart in charts(reading)]
    assert shown == expected and len(shown) == 7 + 6
    assert len(figure.axes) == 14  # the second layer has no gates: its panel is empty


def test_the_curve_is_the_median_in_decades_and_its_marks_the_findings():
    data = sick("vanishing")
    report = Report(data)
    figure = report.figure()
    ax = figure.axes[0]
    x, y = max((line.get_data() for line in ax.lines), key=lambda xy: len(xy[0]))
    np.testing.assert_array_equal(x, np.arange(101))
    median = np.median(data["log_norm_by_lag"].values[0], axis=0) / np.log(10)
    np.testing.assert_allclose(y, median, rtol=1e-12)
    numbers = {f.name: f.number for f in report.findings}
    marked = {line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1}
    assert marked >= {numbers["horizon"], numbers["underflow float32"]}
    memory = figure.axes[1].lines
    np.testing.assert_array_equal(memory[1].get_xdata(), np.arange(101))
    assert memory[1].get_ydata()[0] == memory[2].get_ydata()[0] == 0
    texts = " ".join(text.get_text() for text in ax.texts)
    assert f"float32 reads 0 from lag {numbers['underflow float32']:.0f}" in texts


def test_names_with_dollars_and_foreign_letters_are_drawn(tmp_path):
    name = "$x_{ $ \\frac日本\n<b>"
    figure = Report(dataset(replace(HEALTHY, name=name), title=name)).figure()
    assert title(figure.axes[0]).startswith("$x_{ $ \\frac\\u65e5\\u672c\\n<b>\nGradient")
    save_figure(figure, tmp_path)


@pytest.mark.wide
@pytest.mark.parametrize("layer", [Layer(T=1, n=1), Layer(T=2, n=2)], ids=["T=1", "T=2"])
def test_the_smallest_sequences_and_exact_zeros_are_drawn(layer, tmp_path):
    data = dataset(layer, n_examples=1)
    data["log_norm_by_lag"][..., 1:] = -np.inf
    save_figure(Report(data).figure(), tmp_path)


def test_a_comparison_draws_both_curves(tmp_path):
    other = two_layers()
    other.attrs["title"] = "$x_{ $"
    figure = Report(sick("vanishing")).compare(Report(other)).figure()
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["a model", "$x_{ $"]
    save_figure(figure, tmp_path)


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match=r"^dataset: expected a measurement that can be drawn"):
        Report(xr.Dataset(coords={"layer": ["a"]})).figure()


def test_the_same_report_gives_the_same_bytes(tmp_path):
    data = healthy()[["log_norm_by_lag", "flat_share"]]
    first, second = (save_figure(Report(data).figure(), tmp_path / folder) for folder in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_the_sentence_of_a_chart_has_the_exponents_that_it_cannot_draw():
    report = Report(healthy(exponents=(-0.1, -0.5, -np.inf)))
    (chart,) = (c for c in charts(report.readings[0]) if c.title == "Lyapunov exponents")
    assert chart.description.endswith("-0.1; -0.5; -inf.") and len(chart.lines[0].band.x) == 2
