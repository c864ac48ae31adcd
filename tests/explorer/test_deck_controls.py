"""The pages of the slides answer to every control, to links, to dragging and to reload."""

import pytest

from tests.crossed import wide_but


def until(page, condition):
    """Wait for an expression; the page's policy allows none of Playwright's own waiting."""
    for _ in range(400):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    pytest.fail(f"never came true: {condition}")


@pytest.mark.parametrize("name", wide_but(["jordan"], ["one_neuron", "jordan", "radar"]))
def test_every_control_and_every_link_of_what_to_try_changes_the_page(
    open_page, explorer_file, name
):
    """Fields, sliders by key and choices; then links; the address holds the setting."""
    page = open_page(explorer_file, f"#page={name}")
    section = page.locator(f"#page-{name}")
    for slider in section.locator("input[type=range]:visible").all():
        before = slider.input_value()
        slider.press("ArrowRight" if before != slider.get_attribute("max") else "ArrowLeft")
        assert slider.input_value() != before
    for select in section.locator("select:visible").all():
        for value in select.locator("option").evaluate_all("all => all.map((o) => o.value)"):
            select.select_option(value)
            page.evaluate("window.rnnjax.settle()")
    assert page.locator("p.problem:visible").all_inner_texts() == []
    links = section.locator(".intro a")
    assert links.count() == 5
    for n in range(links.count()):
        asked = dict(part.split("=") for part in links.nth(n).get_attribute("href")[1:].split("&"))
        links.nth(n).click()
        page.evaluate("window.rnnjax.settle()")
        for key, value in asked.items():
            if key != "page":
                field = page.locator(f"#{name}-{key}").input_value()
                assert field == value.replace("%2B", "+")
    assert page.locator("p.problem:visible").all_inner_texts() == []


def test_training_by_steps_by_playing_and_reset(open_page, explorer_file):
    page = open_page(explorer_file, "#page=jordan&cycles=0")
    cycles = page.locator("#jordan-cycles")
    for _ in range(3):
        page.get_by_role("button", name="Step").click()
    assert cycles.input_value() == "3"
    page.get_by_role("button", name="Play").click()
    until(page, "Number(document.getElementById('jordan-cycles').value) > 6")
    page.get_by_role("button", name="Pause").click()
    page.evaluate("window.rnnjax.settle()")
    reached = cycles.input_value()
    assert f"After {reached} cycles" in page.locator("#page-jordan .readout").first.inner_text()
    until(page, f"location.hash.includes('cycles={reached}&')")
    page.reload()
    page.evaluate("window.rnnjax.settle()")
    assert cycles.input_value() == reached
    page.get_by_role("button", name="Reset").click()
    assert cycles.input_value() == "0"


def test_points_of_the_radar_are_dragged_and_named_in_the_address(open_page, explorer_file):
    page = open_page(explorer_file, "#page=radar&snap=cells")
    canvas = page.locator("#page-radar canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    scale = min(box["width"], box["height"]) / 6  # 3 cells on either side of the middle
    centre = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(centre[0] - scale, centre[1] - scale)
    page.mouse.down()
    page.mouse.move(centre[0] + 1.1 * scale, centre[1] - 1.8 * scale, steps=4)
    page.mouse.up()
    assert [page.locator(f"#radar-{key}").input_value() for key in ("ax", "ay")] == ["1", "-2"]
    until(page, "location.hash.includes('ax=1&ay=-2&')")
    assert "(-1, 2)" in page.locator("#page-radar").inner_text().replace("−", "-")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["one_neuron", "jordan", "radar", "own_data"])
def test_pages_fit_their_width_and_draw(open_page, explorer_file, name, width):
    page = open_page(explorer_file, f"#page={name}", width=width, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    drawn = page.locator(f"#page-{name} canvas").evaluate_all(
        "all => all.map((c) => c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        ".data.some((v) => v !== 0))"
    )
    assert all(drawn)
    assert (len(drawn) > 0) == (name != "own_data")


def test_a_chart_is_named_by_its_title_as_it_changes(open_page, explorer_file):
    page = open_page(explorer_file, "#page=jordan&cycles=0&pair=7")
    for figure in page.locator("#page-jordan figure").all():
        title = figure.locator("figcaption").inner_text()
        assert figure.locator("canvas").get_attribute("aria-label") == title
    assert "data pair 7" in page.locator("#page-jordan").inner_text()


def test_a_neuron_whose_last_slope_is_0_has_no_gradient_to_compare(open_page, explorer_file):
    page = open_page(explorer_file, "#page=one_neuron&f=relu&wn=0.1&inputs=random&T=5&seed=2")
    facts = page.locator("#page-one_neuron ul.facts").inner_text()
    assert "no input has a gradient: the slope at the last step is 0" in facts
    assert "not a number" not in facts
