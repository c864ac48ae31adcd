"""Numbers, sentences and bars as the pages show them: none may stand for another number."""

import pytest

from rnnjax.explorer.bundle import bundle


@pytest.fixture
def functions(chromium, tmp_path):
    """functions(module, *names): a page on which functions of a module can be called."""
    pages = []

    def offered(module, *names):
        text = bundle(module, "functions")
        end = text.rindex("</script>")
        path = tmp_path / "functions.html"
        path.write_text(f"{text[:end]}window.offered = {{ {', '.join(names)} }};\n{text[end:]}")
        page = chromium.new_page()
        pages.append(page)
        page.goto(path.as_uri())
        return page

    yield offered
    for page in pages:
        page.close()


TICKS = {
    "20000, 20002, 20004": ["20000", "20002", "20004"],
    "10000.1, 10000.2": ["10000.1", "10000.2"],
    "1000000, 1000001": ["1e6", "1.000001e6"],
    "-0.5, 0, 0.1 + 0.2": ["−0.5", "0", "0.3"],
    "7": ["7"],
}


def test_ticks_have_the_digits_that_tell_them_apart(functions):
    page = functions("charts/ticks.js", "tickTexts", "numberText", "powerText")
    for ticks, texts in TICKS.items():
        assert page.evaluate(f"offered.tickTexts({{}}, [{ticks}])") == texts
    assert page.evaluate("offered.tickTexts({ log: true }, [1e-300, 1])") == ["1e−300", "1"]
    assert page.evaluate("offered.numberText(123456)") == "123456"
    assert page.evaluate("offered.numberText(1234.56)") == "1235"
    assert page.evaluate("offered.powerText(-400.00001)") == "1e−400"
    assert page.evaluate("offered.powerText(6.99999)") == "1e7"


def test_labels_of_unequal_coordinates_differ(functions):
    page = functions("numbers/cube.js", "coordinateLabels")
    labels = {
        "0.1, 1/3, 1e-9": ["0.1", "0.333333", "1e-9"],
        "2147483648, 2147483649": ["2147483648", "2147483649"],
        "1.0000001, 1.0000002": ["1.0000001", "1.0000002"],
        "1, 1 + 2 ** -52": ["1", "1.0000000000000002"],
        "2, 1, 2, NaN, NaN": ["2", "1", "2", "nan", "nan"],
    }
    for values, texts in labels.items():
        assert page.evaluate(f"offered.coordinateLabels([{values}])") == texts


def test_a_loss_in_float32_is_told_even_if_the_gradient_ends_later(functions):
    page = functions("pages/gradient_notes.js", "float32Text")
    lost = "{ flushed: { firstZero: 2, firstNotFinite: -1 }, kept: { firstZero: 3 } }"
    later = page.evaluate(f"offered.float32Text({lost}, [0, -20, -41, -46, -Infinity])")
    assert "exactly 0 from lag 2 on" in later and "exactly 0 from lag 4 on in every" in later
    at_once = page.evaluate(f"offered.float32Text({lost}, [0, -20, -Infinity])")
    assert at_once.startswith("The gradient is exactly 0 from lag 2 on in every number format")


@pytest.mark.parametrize("own", [False, True])
def test_the_program_reads_what_the_page_reads(functions, own):
    """Without a sequence the page uses white noise; with one the program scales it as the page."""
    page = functions("pages/gradient_text.js", "commandOf")
    setting = {"cell": "gru", "input": "own", "T": 9, "n": 3, "gain": 1, "forget": 1, "seed": 0}
    text = page.evaluate("([s, own]) => offered.commandOf(s, own).text", [setting, own])
    assert ("loadtxt" in text and "x.std(axis=0)" in text) is own
    assert ("WhiteNoise" in text) is not own


def test_messages_name_some_of_many_values(functions):
    page = functions("frame/state.js", "valueOf")
    options = [{"value": str(n)} for n in range(2000)]
    found = page.evaluate("(c) => offered.valueOf(c, 'x')", {"kind": "choice", "options": options})
    assert found["expected"] == "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..."


def test_what_is_not_a_number_has_no_bar(functions):
    page = functions("charts/bars.js", "createBars")
    painted = page.evaluate(
        """async () => {
            const chart = offered.createBars(document.body, { title: "t" });
            chart.show({ bars: [NaN, -2, Infinity].map((value) => ({ label: "", value })) });
            for (let n = 0; n < 3; n += 1) await new Promise(requestAnimationFrame);
            const { canvas } = chart.panel;
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            const counts = [0, 0, 0];
            for (let n = 0; n < width * height; n += 1) {
                const isBar = data[4 * n] === 0x1b && data[4 * n + 1] === 0x4f;
                if (isBar) counts[Math.floor((3 * (n % width)) / width)] += 1;
            }
            return counts;
        }"""
    )
    assert painted[0] == 0 and painted[1] > 100
