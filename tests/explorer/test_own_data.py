"""Files of the reader's own: sequences and cubes that are read, and all others, which are named."""

import numpy as np
import pytest

from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.export import export

MARKUP = "<img src=x onerror=window.broken=1>"


def read(page, content, name="data.csv"):
    """What the page finds in a file of these bytes."""
    script = """([name, text, bytes]) => {
        const content = bytes ? Uint8Array.from(bytes) : new TextEncoder().encode(text);
        const found = window.rnnjax.readCsv(name, content);
        if (found.problem) return {problem: found.problem};
        const {sequence} = found;
        return {kind: found.kind, sequence: sequence && {...sequence, values: [...sequence.values]},
                scaling: found.scaling};
    }"""
    is_text = isinstance(content, str)
    return page.evaluate(
        script, [name, content if is_text else "", None if is_text else [*content]]
    )


def give(page, path):
    page.set_input_files("#own-file", path)
    page.wait_for_selector("#own-message:not(:empty)")
    return page.locator("#own-message").inner_text()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b\n1,2\n3,5\n-4,8\n", ["a", "b"]),
        ("1;2\r\n3;5\r\n-4;8", ["column 1", "column 2"]),
        ('\ufeff"a, really"\tb\n1\t2\n3\t5\n-4\t8\n\n', ["a, really", "b"]),
        ("a,b\n 1 ,2e0\n+3.,.5e1\n-4,8\n", ["a", "b"]),
    ],
)
def test_a_sequence_is_scaled_by_column(computing, text, names):
    found = read(computing, text)
    values = np.array([[1, 2], [3, 5], [-4, 8]], float)
    sequence = found["sequence"]
    assert (found["kind"], sequence["length"], sequence["columns"]) == ("sequence", 3, names)
    expected = (values - values.mean(axis=0)) / values.std(axis=0)
    np.testing.assert_allclose(np.reshape(sequence["values"], (3, 2)), expected, rtol=1e-14)
    np.testing.assert_allclose([s["mean"] for s in found["scaling"]], values.mean(axis=0))


@pytest.mark.parametrize("factor", [1e-200, 1e99])
def test_tiny_and_huge_columns_are_scaled_and_constant_ones_are_0(computing, factor):
    rows = "".join(f"{v * factor!r},7\n" for v in (1.0, 2.0, 4.0))
    sequence = read(computing, rows)["sequence"]
    x = np.reshape(sequence["values"], (3, 2))
    base = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(x[:, 0], (base - base.mean()) / base.std(), rtol=1e-12)
    np.testing.assert_array_equal(x[:, 1], 0)
    assert "constant" in sequence["note"]


HOSTILE = {
    "": "expected numbers, got an empty file",
    "\n\n": "expected numbers, got an empty file",
    "1\n": "expected at least 2 steps, got 1",
    "a\nb\n": "line 2, column 1 ('a'): expected a number, got 'b'",
    "a,b\n1,2\n3\n": "line 3: expected 2 columns, as in line 1, got 1",
    "a,b\n1,2\n\n3,4\n": "line 3: expected 2 columns, as in line 1, got an empty line",
    "a,b\n1,2\n3,\n": "line 3, column 2 ('b'): expected a number, got nothing",
    "a\n1\nnan\n": "line 3, column 1 ('a'): expected a number, got 'nan'",
    "NA,n/a\n1,2\n3,4\n": "line 1, column 1: expected a number, got 'NA'",
    "1\ninf\n": "line 2, column 1: expected a number, got 'inf'",
    "1\n1e101\n": "line 2, column 1: expected a number of at most 1e+100, got '1e101'",
    "1\n1e999\n": "line 2, column 1: expected a number of at most 1e+100, got '1e999'",
    "1\n=1+1\n": "line 2, column 1: expected a number, got '=1+1'",
    '1\n"=HYPERLINK(""x"")"\n': "line 2, column 1: expected a number, got '=HYPERLINK(\"x\")'",
    "1\n0x10\n": "line 2, column 1: expected a number, got '0x10'",
    "a;b\n1,5;2\n": "line 2, column 1 ('a'): expected a number, got '1,5'",
    f"{MARKUP},b\n1,2\n3,x\n": "line 3, column 2 ('b'): expected a number, got 'x'",
    "a\n1\n\0\n": "line 3, column 1: expected text, got a NUL character",
    '1,2\n3,"4\n': "line 2, column 2: expected a closing quotation mark, got none",
    '1\n"2"3\n': "line 2, column 1: expected a separator after the closing quotation mark",
    "1\n" * 600: "expected at most 512 steps (lines of numbers), got 600",
    "1\n" * 200_001: "expected at most 200000 lines, got more",
    (",".join(["1"] * 70) + "\n"): "expected at most 64 inputs (columns), got 70",
    ",".join(["1"] * 10**6): "line 1: expected at most 1000 columns, got more",
    "1\n" + "9" * 400: "line 2, column 1: expected at most 300 characters, got 400",
    "a,a_status\n1,ok\n": "",
}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:24]))
def test_other_contents_give_one_line_that_says_where(computing, text):
    expected = HOSTILE[text]
    found = read(computing, text)
    assert found.get("problem", "") == (expected and f"data.csv: {expected}.")


def test_bytes_that_are_no_text_and_files_that_are_too_large_are_refused(computing):
    assert read(computing, b"1\n\xff\xfe\n")["problem"] == (
        "data.csv: expected text in UTF-8, got other bytes."
    )
    script = "window.rnnjax.readCsv('data.csv', new Uint8Array(17e6)).problem"
    assert computing.evaluate(script) == "data.csv: expected a file of at most 16 MB, got 17.0 MB."


def test_a_sequence_becomes_the_input_of_the_network(open_page, explorer_file, tmp_path):
    path = tmp_path / "waves.csv"
    rows = [f"{np.sin(t / 3)},{t % 7},1" for t in range(40)]
    path.write_text("\n".join(["sine,saw,one", *rows]))
    page = open_page(explorer_file, "#page=own_data")
    text = give(page, path)
    assert text.startswith("waves.csv: 40 steps, 3 inputs.")
    assert "constant" in text
    page.get_by_role("link", name="Show the gradient").click()
    page.evaluate("window.rnnjax.settle()")
    assert page.locator("#gradient-input").input_value() == "own"
    assert "waves.csv, 40 of 40 steps, 3 inputs" in page.locator("#page-gradient").inner_text()


def test_names_with_markup_are_text_and_a_bad_file_leaves_the_page_as_it_is(
    open_page, explorer_file, tmp_path
):
    page = open_page(explorer_file, "#page=own_data")
    path = tmp_path / "x.csv"
    path.write_text(f"{MARKUP},</script><script>window.broken=2</script>\n1,2\n3,4\n")
    give(page, path)
    assert MARKUP in page.locator("#page-own_data").inner_text()
    other = tmp_path / "<img src=x onerror=window.broken=3>.csv"
    other.write_text("1\ntwo\n")
    page.set_input_files("#own-file", other)
    page.wait_for_selector("#own-message.problem")
    assert "expected a number, got 'two'" in page.locator("#own-message").inner_text()
    assert page.evaluate("window.broken") is None
    assert page.locator("#page-own_data img").count() == 0


def test_an_exported_cube_opens_with_its_values_and_status(open_page, explorer_file, tmp_path):
    cube = read_cube("results/lyapunov")[["largest_exponent", "largest_exponent_status"]]
    (path,) = export(cube, tmp_path / "cube.csv")
    page = open_page(explorer_file, "#page=own_data")
    assert give(page, path) == (
        "cube.csv: a cube of 1 variables over activation (2), gain (14), seed (4)."
    )
    assert (
        "largest_exponent over gain, one curve per activation"
        in page.locator("#page-own_data figcaption").last.inner_text()
    )
    found = page.evaluate(
        """async (text) => {
            const {cube} = window.rnnjax.readCsv("c.csv", new TextEncoder().encode(text));
            const [{data, status}] = cube.variables;
            return [[...data], status(0), [...cube.dims.values()].map((d) => d.values)];
        }""",
        path.read_text(),
    )
    np.testing.assert_allclose(found[0], cube["largest_exponent"].values.ravel(), rtol=1e-6)
    assert found[1] == "ok"
    assert found[2] == [cube[dim].values.tolist() for dim in cube.sizes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gain,v,v_status\n1,2,ok\n1,3,ok\n",
         "line 3: expected each cell once, got 'gain = 1' again"),
        ("gain,v,v_status\n1,x,ok\n", "line 2, column 2 ('v'): expected a number, got 'x'"),
        ("gain,v,v_status\n1,1e400,ok\n",
         "line 2, column 2 ('v'): expected a number of float64, got '1e400'"),
        ("gain,gain,v,v_status\n1,1,2,ok\n",
         "line 1, column 2: expected a name of its own, got 'gain'"),
        ("gain,v,v_status\n", "line 2: expected cells of a cube, got none"),
        ("gain,v,v_status\n1,2\n", "line 2: expected 3 columns, as in line 1, got 2"),
    ],
)  # fmt: skip
def test_a_cube_that_cannot_be_read_is_named(computing, text, expected):
    assert read(computing, text)["problem"] == f"data.csv: {expected}."


def test_cells_without_a_line_are_missing_and_words_of_numbers_are_read(computing):
    text = "__proto__,gain,v,v_status\nconstructor,1,inf,overflow\na,2,,nan\na,1,-inf,underflow\n"
    found = computing.evaluate(
        """(text) => {
            const {cube} = window.rnnjax.readCsv("c.csv", new TextEncoder().encode(text));
            const [{data, status}] = cube.variables;
            return [[...data].map(String), [0, 1, 2, 3].map(status)];
        }""",
        text,
    )
    assert found == [["Infinity", "NaN", "-Infinity", "NaN"],
                     ["overflow", "missing", "underflow", "nan"]]  # fmt: skip


def test_what_a_cube_leaves_out_or_may_mistake_is_told(computing):
    script = """(text) => {
        const {cube} = window.rnnjax.readCsv("c.csv", new TextEncoder().encode(text));
        return [[...cube.dims.values()].map((d) => d.labels), cube.notes.slice(1)];
    }"""
    labels, notes = computing.evaluate(script, "gain,v,v_status,k\n1,1,ok,7\n1.5,2,ok,8\n")
    assert labels == [["1", "1.5"]]
    assert notes == ["'k': left out, because no column holds its status."]
    text = "gain,seed,loss,v,v_status\n1,0,3,1,ok\n1.0,1,4,2,ok\n"
    labels, notes = computing.evaluate(script, text)
    assert labels == [["1"], ["0", "1"], ["3", "4"]]
    assert notes == ["2 of 4 cells have a line. Every column before 'v' is taken for a dim."]
