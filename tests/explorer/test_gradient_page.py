"""The explorer's main page as a reader uses it: controls, keys, map, links and the address."""

import re
from urllib.parse import parse_qs

import pytest

MAP = "Norm of the gradient by lag and gain"
SMALL = "#page=gradient&n=6&T=40&lag=10"
NUMBER = re.compile(r"[-\d.]+(?:e[-\d]+)?")


def settled(page):
    """Wait until nothing is left to compute and the address is written."""
    # Two frames first: a link that was followed tells the page so by an event, later.
    page.evaluate("""async () => {
        const { settle } = window.rnnjax, frame = () => new Promise(requestAnimationFrame);
        for (const one of [frame, frame, settle, window.hurry, settle]) await one();
    }""")


def in_address(page):
    address = page.evaluate("location.hash")
    return {key: values[0] for key, values in parse_qs(address.partition("#")[2]).items()}


def shown_norm(page):
    """The norm at the chosen lag, as the page says it."""
    text = page.locator("ul.facts li").first.inner_text().replace("−", "-")
    return float(NUMBER.fullmatch(text.split(" = ")[1])[0])


def computed_norm(page):
    """The same from the page's numbers at the setting in its address."""
    setting = {key: _value(text) for key, text in in_address(page).items()}
    lag = min(setting["lag"], setting["T"])
    program = "([s, lag]) => Math.exp(window.rnnjax.compute(s).log_norm[lag])"
    return page.evaluate(program, [setting, lag])


def _value(text):
    return float(text) if re.fullmatch(r"-?[\d.]+", text) else text


def field(page, key):
    return page.locator(f"#gradient-{key}")


FILLED = [("gain", "0.8"), ("lag", "7"), ("leak", "0.5"), ("bias", "0.4"), ("n", "9"), ("T", "30"),
          ("seed", "11")]  # fmt: skip
CHOSEN = [("activation", "relu"), ("activation", "identity"), ("activation", "sigmoid"),
          ("weights", "identity"), ("cell", "neuron"), ("cell", "lstm"), ("cell", "gru"),
          ("cell", "jordan"), ("cell", "vanilla"), ("input", "own"), ("input", "noise"),
          ("clip", "norm")]  # fmt: skip


def test_every_control_changes_the_numbers_and_the_address(open_page, explorer_file):
    page = open_page(explorer_file, SMALL)
    for key, text in FILLED:
        field(page, key).fill(text)
        settled(page)
        assert in_address(page)[key] == text
        assert shown_norm(page) == pytest.approx(computed_norm(page), rel=6e-3)
    for key, option in CHOSEN:
        field(page, key).select_option(option)
        settled(page)
        assert in_address(page)[key] == option
        assert shown_norm(page) == pytest.approx(computed_norm(page), rel=6e-3)
    for cell, key, text in (("lstm", "forget", "3.5"), ("gru", "forget", "-2")):
        field(page, "cell").select_option(cell)
        field(page, key).fill(text)
        settled(page)
        assert in_address(page)[key] == text
        assert shown_norm(page) == pytest.approx(computed_norm(page), rel=6e-3)
    field(page, "limit").fill("0.001")
    settled(page)
    assert "at all lags alike" in page.locator("ul.facts").inner_text()


def test_sliders_move_by_keys(open_page, explorer_file):
    page = open_page(explorer_file, SMALL)
    settled(page)
    for key in ("gain", "lag", "leak", "bias", "n", "T", "seed"):
        before = in_address(page)[key]
        slider = page.locator(f"#gradient-{key}-slider")
        slider.focus()
        slider.press("ArrowLeft" if key == "leak" else "ArrowRight")
        slider.press("ArrowLeft" if key == "leak" else "ArrowRight")
        settled(page)
        assert in_address(page)[key] != before
        assert float(field(page, key).input_value()) == float(in_address(page)[key])
    assert shown_norm(page) == pytest.approx(computed_norm(page), rel=6e-3)


def test_a_click_on_the_map_chooses_lag_and_gain(open_page, explorer_file):
    page = open_page(explorer_file, SMALL)
    settled(page)
    canvas = page.get_by_role("img", name=MAP)
    box = canvas.bounding_box()
    canvas.click(position={"x": 0.6 * box["width"], "y": 0.3 * box["height"]})
    settled(page)
    chosen = in_address(page)
    assert float(chosen["gain"]) > 1.2 and int(chosen["lag"]) > 20
    assert shown_norm(page) == pytest.approx(computed_norm(page), rel=6e-3)
    canvas.hover(position={"x": 0.4 * box["width"], "y": 0.5 * box["height"]})
    readout = page.locator("figure.panel").first.locator(".readout").inner_text()
    assert re.match(r"lag k \(steps\) \d+, gain g [\d.]+: ‖dL/dh\(T−k\)‖ = ", readout)


def test_every_chart_reads_out_and_picks(open_page, explorer_file):
    page = open_page(explorer_file, SMALL)
    settled(page)
    panels = page.locator("#page-gradient figure.panel")
    assert panels.count() == 6
    for i in range(6):
        canvas = panels.nth(i).locator("canvas")
        box = canvas.bounding_box()
        canvas.hover(position={"x": 0.45 * box["width"], "y": 0.5 * box["height"]})
        assert re.search(r"\d", panels.nth(i).locator(".readout").inner_text()), i
        canvas.click(position={"x": 0.45 * box["width"], "y": 0.5 * box["height"]})
        settled(page)
    assert shown_norm(page) == pytest.approx(computed_norm(page), rel=6e-3)


@pytest.mark.wide
def test_what_to_try_sets_the_page(open_page, explorer_file):
    page = open_page(explorer_file)
    links = page.locator(".intro a")
    assert links.count() == 5
    notes = []
    for i in range(5):
        links.nth(i).click()
        settled(page)
        assert shown_norm(page) == pytest.approx(computed_norm(page), rel=6e-3)
        notes.append(page.locator("figure.panel").nth(1).locator(".note").inner_text())
    assert "exactly 0 from lag 127 on" in notes[0] and "0 from lag 150 on" in notes[0]
    assert "not finite from lag 128 on" in notes[1]
    assert page.locator("#page-gradient > .problem").count() == 0


def test_the_address_restores_the_page(open_page, explorer_file):
    page = open_page(explorer_file, "#page=gradient&cell=gru&gain=2.5&n=5&T=33&lag=8&forget=-1.5")
    settled(page)
    before = (in_address(page), shown_norm(page))
    page.reload()
    settled(page)
    assert (in_address(page), shown_norm(page)) == before
    assert (
        field(page, "cell").input_value() == "gru" and field(page, "forget").input_value() == "-1.5"
    )
    assert not field(page, "leak").is_visible()


def test_what_an_address_cannot_mean_is_said_in_one_line(open_page, explorer_file):
    fragment = "#page=gradient&gain=abc&n=6.5&cell=<b>x</b>&T=1e9&foo=1"
    page = open_page(explorer_file, fragment)
    settled(page)
    said = page.locator("p.problem[role=status]").inner_text()
    for part in ('gain: expected a number from 0.1 to 4, got "abc"; 1.2 is used.',
                 "n: expected a whole number from 1 to 64", 'got "<b>x</b>"', "T: expected",
                 '"foo": this page has no such setting.'):  # fmt: skip
        assert part in said
    assert shown_norm(page) == pytest.approx(computed_norm(page), rel=6e-3)


def test_a_number_that_cannot_be_used_is_refused_beside_its_field(open_page, explorer_file):
    page = open_page(explorer_file, SMALL)
    settled(page)
    before = shown_norm(page)
    field(page, "gain").fill("40")
    settled(page)
    assert page.get_by_text("Expected a number from 0.1 to 4.").is_visible()
    assert in_address(page)["gain"] == "1.2" and shown_norm(page) == before
    assert field(page, "gain").get_attribute("aria-describedby") == "gradient-gain-problem"
    page.locator("#gradient-gain-slider").press("ArrowRight")
    settled(page)
    assert page.locator("#gradient-gain-problem").text_content() == ""
    assert field(page, "gain").input_value() == in_address(page)["gain"] != "1.2"


def test_tabs_follow_the_keyboard(open_page, explorer_file):
    page = open_page(explorer_file, SMALL)
    tabs = page.get_by_role("tab")
    tabs.first.focus()
    for key in ("ArrowRight", "End", "Home", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
        settled(page)
        chosen = page.locator("[role=tab][aria-selected=true]")
        assert chosen.count() == 1 and page.locator("[role=tabpanel]:visible").count() == 1
        assert f"tab-{in_address(page)['page']}" == chosen.get_attribute("id")


def test_the_command_is_of_the_setting(open_page, explorer_file):
    page = open_page(explorer_file, SMALL)
    command = page.locator(".command code")
    assert "--length 40 --n-h 6 --weights gaussian" in command.inner_text()
    field(page, "cell").select_option("lstm")
    assert "rnnjax.LSTM(n_x, 6, gain=1.2, forget_bias=1)" in command.inner_text()
    page.get_by_role("button", name="Copy").click()


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_nothing_is_wider_than_the_screen(open_page, explorer_file, width, height):
    page = open_page(explorer_file, SMALL, width, height)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.rnnjax.statistics.frames") > 0


def test_every_control_has_a_name(open_page, explorer_file):
    page = open_page(explorer_file, SMALL)
    for control in page.locator("#page-gradient input, #page-gradient select").all():
        assert control.evaluate("e => e.labels.length > 0 || e.hasAttribute('aria-label')")


def test_charts_are_read_and_picked_by_keys(open_page, explorer_file):
    page = open_page(explorer_file, SMALL)
    settled(page)
    panel = page.locator("#page-gradient figure.panel").first
    panel.locator("canvas").press("Shift+ArrowRight")
    text = panel.locator(".readout").inner_text()
    panel.locator("canvas").press("Enter")
    settled(page)
    assert f"lag k (steps) {in_address(page)['lag']}, " in text and in_address(page)["lag"] != "10"
    assert shown_norm(page) == pytest.approx(computed_norm(page), rel=6e-3)


def test_notes_say_which_step_and_how_many_exponents(open_page, explorer_file):
    page = open_page(explorer_file, "#page=gradient&n=20&T=12&lag=0")
    settled(page)
    notes = page.locator("#page-gradient figure.panel .note").all_inner_texts()
    assert any(note.startswith("The step is the one at lag 1; ") for note in notes)
    assert any(note.startswith("The first 12 of 20. The largest is ") for note in notes)
    program = "(lag) => window.rnnjax.compute({cell: 'lstm', n: 2, T: 5, seed: 0, gain: 1, forget: 1, lag}, ['singularValues'])"  # noqa: E501
    assert page.evaluate(program, 0)["product"] == pytest.approx([0] * 4, abs=1e-12)
    assert page.evaluate(program, 0)["step"] == page.evaluate(program, 1)["step"]
    with pytest.raises(Exception, match="lag: expected a whole number from 0 to 5, got 6"):
        page.evaluate(program, 6)


def test_a_problem_is_of_the_page_it_is_on(open_page, explorer_file):
    page = open_page(explorer_file, "#page=gradient&foo=1")
    page.get_by_role("tab").nth(1).click()
    assert page.locator("p.problem[role=status]").inner_text() == ""
