"""Cubes of results as a page: it has the numbers of the cube, and nothing of a cube is markup."""

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from rnnjax.cli import main
from rnnjax.explorer import cube_page
from rnnjax.reductions import median
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.status import flag_attributes, meanings_in
from tests.crossed import wide_but
from tests.explorer.views import first_of, view, written

CUBES = ("gradient_norms", "lyapunov", "rule_alignment", "state_tracking")
MARKUP = "</script><img src=x onerror=window.broken=1>"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The pages of committed cubes, as the command writes them."""
    folder = tmp_path_factory.mktemp("pages")
    for name in CUBES:
        assert main(["explore", f"results/{name}", "--out", str(folder / f"{name}.html")]) == 0
    return folder


@pytest.mark.parametrize("name", CUBES)
def test_every_variable_has_the_numbers_and_the_status_of_the_cube(open_page, files, name):
    """Automatic axes, everything else at its first coordinate, for every variable of the cube."""
    cube, page = read_cube(f"results/{name}"), open_page(files / f"{name}.html")
    setting = {f"at:{dim}": "0" for dim in cube.sizes}
    compared = 0
    for variable in (v for v in cube.data_vars if not v.endswith("_status")):
        part = first_of(view(page, variable, **setting))
        x, y = part["data"]["x"], part["data"]["y"]
        drawn = [dim["name"] for dim in (y, x) if dim]
        rest = {dim: 0 for dim in cube[variable].dims if dim not in drawn}
        expected = cube.isel(rest)[[variable, f"{variable}_status"]].transpose(*drawn)
        values = np.atleast_2d(expected[variable].values.astype(float))
        np.testing.assert_array_equal(part["values"], values, err_msg=variable)
        words = meanings_in(cube)[f"{variable}_status"]
        codes = np.atleast_2d(expected[f"{variable}_status"].values)
        assert part["words"] == [[words[code] for code in row] for row in codes.tolist()]
        assert part["data"]["value"]["units"] == cube[variable].attrs.get("units", "")
        compared += values.size
    assert compared > 400


def test_medians_over_seeds_rank_infinities_as_the_library_does(open_page, files):
    cube, page = read_cube("results/gradient_norms"), open_page(files / "gradient_norms.html")
    n = cube["activation"].values.tolist().index("sigmoid")
    part = first_of(view(page, "log_norm", **{"at:activation": str(n), "at:seed": "median"}))
    expected = median(cube["log_norm"].isel(activation=n)).transpose("gain", "lag")
    np.testing.assert_allclose(part["values"], expected, rtol=1e-12)
    assert part["title"] == (
        "gradient_norms: log_norm over lag and gain, activation = sigmoid, median over seed"
    )


def test_each_seed_has_a_curve_of_its_own(open_page, files):
    cube, page = read_cube("results/gradient_norms"), open_page(files / "gradient_norms.html")
    setting = {"x": "lag", "at:activation": "1", "at:gain": "4", "at:seed": "each"}
    part = first_of(view(page, "log_norm", **setting))
    np.testing.assert_array_equal(part["values"], cube["log_norm"].isel(activation=1, gain=4))
    assert part["data"]["kind"] == "curves"


def test_medians_with_infinities_and_without_numbers(open_page, tmp_path):
    inf, nan = np.inf, np.nan
    values = [[-inf, -inf, 1, 3], [1, 2, -inf, 4], [nan, 1, 2, 3], [-inf, -inf, inf, inf]]
    cube = xr.Dataset({"v": (("row", "seed"), np.array(values))})
    page = open_page(written(tmp_path, cube=cube))
    found = first_of(view(page, "v", **{"at:seed": "median"}))["values"].ravel()
    np.testing.assert_array_equal(found, median(cube["v"]).values)


def test_two_cubes_and_their_difference_on_common_coordinates(open_page, tmp_path):
    a, b = read_cube("results/lyapunov"), read_cube("results/lyapunov_wide")
    page = open_page(written(tmp_path, narrow=a, wide=b))
    found = view(page, "largest_exponent", **{"at:seed": "median"})
    assert [part["title"].split(":")[0] for part in found["parts"]] == [
        "narrow", "wide", "wide minus narrow",
    ]  # fmt: skip
    medians = [median(cube["largest_exponent"]) for cube in (a, b)]
    expected = (medians[1] - medians[0]).transpose("activation", "gain")
    np.testing.assert_allclose(found["parts"][2]["values"], expected, rtol=0, atol=1e-12)
    limits = [part["data"]["limits"] for part in found["parts"][:2]]
    ends = {"low": float(np.min(medians[0])), "high": float(np.max(medians[0]))}
    assert limits == [pytest.approx(ends)] * 2
    other = view(page, "largest_exponent", **{"at:gain": "0", "x": "activation", "y": "none"})
    assert other["parts"][1]["note"] == "This cube has nothing at gain = 0.5."
    assert other["parts"][2]["data"] is None


def small(name="v", dim="x", **attributes):
    return xr.Dataset(
        {name: ((dim, "seed"), np.arange(6.0).reshape(3, 2), attributes)},
        coords={dim: [MARKUP, "b", "c"], "seed": [0, 1]},
        attrs={MARKUP: MARKUP, "experiment": "=1+1"},
    )


HOSTILE = {
    "markup in every name": small(MARKUP, f"{MARKUP} dim", long_name=MARKUP, units=MARKUP),
    "names of the language": small("__proto__", "constructor", long_name="toString"),
    "no coordinate": xr.Dataset({"v": (("x", "y"), np.zeros((2, 3)))}),
    "nan and inf as coordinates": xr.Dataset(
        {"v": ("x", [1.0, 2.0, 3.0])}, coords={"x": [np.nan, np.inf, 0.0]}
    ),
    "unordered and equal coordinates": xr.Dataset(
        {"v": ("x", [1.0, 2.0, 3.0])}, coords={"x": [2.0, 1.0, 2.0]}
    ),
    "no dims": xr.Dataset({"v": 1.5}, attrs={"n": 1}),
    "an empty dim": xr.Dataset({"v": (("x", "y"), np.zeros((0, 3)))}, coords={"x": []}),
    "no variables": xr.Dataset(coords={"x": [1, 2]}),
    "text only": xr.Dataset({"v": ("x", ["a", "b"])}),
    "complex": xr.Dataset({"v": ("x", [1 + 2j, 3 - 1j])}),
    "bool and integers": xr.Dataset(
        {"v": ("x", [True, False]), "n": ("x", [2**60 + 1, 1])}, coords={"x": [True, False]}
    ),
    "only nan": xr.Dataset({"v": (("x", "y"), np.full((20, 20), np.nan))}),
    "long texts": xr.Dataset({"v": ("x", [1.0, 2.0])}, coords={"x": ["a" * 5000, "b"]}),
    "flags that do not fit": xr.Dataset(
        {"v": ("x", [1.0, 2.0]),
         "v_status": ("x", np.int8([1, 9]), {"flag_values": [1], "flag_meanings": "ok bad"})}
    ),
}  # fmt: skip


FIRST = ["complex", "only nan", "long texts", "flags that do not fit"]


@pytest.mark.parametrize("case", wide_but(FIRST, HOSTILE))
def test_hostile_cubes_are_shown_as_text_or_left_out(open_page, tmp_path, case):
    """Nothing runs, nothing is fetched and nothing fails; `open_page` looks at the console."""
    path = written(tmp_path, **{"one": HOSTILE[case], MARKUP: HOSTILE[case]})
    assert path.read_text().count("</script>") == 2
    page = open_page(path)
    page.locator("summary").first.click()
    for select in page.locator("select:visible").all():
        for value in select.locator("option").evaluate_all("all => all.map((o) => o.value)"):
            select.select_option(value)
    page.wait_for_timeout(50)
    assert page.evaluate("window.broken") is None
    assert page.locator("img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize(
    ("case", "variable", "values"),
    [
        ("complex", "v (real part)", [[1, 3]]),
        ("complex", "v (imaginary part)", [[2, -1]]),
        ("bool and integers", "v", [[1, 0]]),
        ("unordered and equal coordinates", "v", [[1, 2, 3]]),
    ],
)
def test_values_of_unusual_cubes(open_page, tmp_path, case, variable, values):
    found = view(open_page(written(tmp_path, c=HOSTILE[case])), variable)
    assert first_of(found)["values"].tolist() == values


@pytest.mark.parametrize(
    ("case", "note"),
    [("no dims", "1.5"), ("an empty dim", "A dim has no coordinates: there are no values.")],
)
def test_without_dims_or_coordinates_a_note_is_all_there_is(open_page, tmp_path, case, note):
    found = view(open_page(written(tmp_path, c=HOSTILE[case])), "v")
    assert first_of(found)["note"] == note


def test_what_is_rounded_or_left_out_is_told(open_page, tmp_path):
    page = open_page(written(tmp_path, c=HOSTILE["bool and integers"]))
    assert "rounded" in view(page, "n")["variable"]["note"]
    page = open_page(written(tmp_path, c=HOSTILE["text only"]))
    assert "left out, because its values are no numbers" in page.locator("details").text_content()


def test_cells_without_a_value_are_not_drawn_as_the_number_that_fills_them(open_page, tmp_path):
    codes = ("x", np.int8([0, 1, 5]), flag_attributes())
    cube = xr.Dataset({"n": ("x", [-1, 7, -1]), "n_status": codes})
    part = first_of(view(open_page(written(tmp_path, cube=cube)), "n"))
    np.testing.assert_array_equal(part["values"], [[np.nan, 7, np.nan]])
    assert part["words"] == [["missing", "ok", "failed"]]
    assert part["note"].startswith("Of 3 cells: 1 missing; 1 failed.")


def test_of_long_dims_some_coordinates_are_drawn_and_the_page_says_which(open_page, tmp_path):
    values = np.arange(3000.0 * 7).reshape(3000, 7)
    cube = xr.Dataset({"v": (("x", "y"), values)}, coords={"x": np.arange(3000) * 0.5})
    part = first_of(view(open_page(written(tmp_path, cube=cube)), "v", x="y", y="x"))
    np.testing.assert_array_equal(part["values"], values[::5])
    assert part["data"]["y"]["labels"][3] == "7.5"
    assert part["note"] == "Of x one coordinate in 5 is drawn."


def test_the_pointer_reads_value_unit_and_status(open_page, files):
    cube, page = read_cube("results/gradient_norms"), open_page(files / "gradient_norms.html")
    page.select_option("[id='cube-at:activation']", label="tanh")
    page.select_option("[id='cube-at:seed']", label="0")
    canvas = page.locator("canvas").first
    box = canvas.bounding_box()
    canvas.hover(position={"x": box["width"] / 2, "y": box["height"] / 2})
    text = page.locator(".readout").first.inner_text().replace("−", "-")
    parts = dict(part.split(" = ") for part in text.split(":")[0].split(", "))
    at = {"activation": "tanh", "seed": 0, **{k: float(v) for k, v in parts.items()}}
    expected = float(cube["log_norm"].sel(at))
    value = text.split(": log_norm = ")[1].split(" ")[0]
    assert float(value) == pytest.approx(expected, rel=1e-3)
    assert text.endswith(" nat, status ok")


def test_the_setting_is_in_the_address_and_comes_back(open_page, files):
    page = open_page(files / "rule_alignment.html")
    page.locator("#cube-variable").select_option("log_norm_by_lag")
    page.locator("#cube-x").select_option("first_lag")
    page.locator("[id='cube-at:activation']").press("ArrowDown")
    title = page.locator("figcaption").first.inner_text()
    assert "log_norm_by_lag over first_lag" in title
    assert "activation = sigmoid" in title
    page.evaluate("window.hurry()")
    page.reload()
    assert page.locator("figcaption").first.inner_text() == title


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", CUBES)
def test_pages_of_cubes_fit_their_width(open_page, files, name, width):
    page = open_page(files / f"{name}.html", width=width, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_same_cube_gives_the_same_file_with_one_json_and_no_address(files, tmp_path):
    cube = read_cube("results/lyapunov")
    text = cube_page.cube_page({"lyapunov": cube})
    assert text == cube_page.cube_page({"lyapunov": cube}) == (files / "lyapunov.html").read_text()
    data = text.split('id="data">')[1].split("</script>")[0]
    assert [one["name"] for one in json.loads(data)["cubes"]] == ["lyapunov"]
    assert "http:" not in text
    assert "https:" not in text


def test_the_command_selects_and_refuses(tmp_path, capsys, monkeypatch):
    out = tmp_path / "a.html"
    assert main(["explore", "results/lyapunov", "--out", str(out), "--variable", "spectrum",
                 "--select", "gain=1.1", "--select", "activation=tanh"]) == 0  # fmt: skip
    assert str(out) in capsys.readouterr().out
    data = json.loads(out.read_text().split('id="data">')[1].split("</script>")[0])
    (cube,) = data["cubes"]
    assert cube["name"] == "lyapunov, activation = tanh, gain = 1.1"
    assert [v["name"] for v in cube["variables"]] == ["spectrum"]
    monkeypatch.setattr(cube_page, "LARGEST", 1000)
    expected = {
        (): "out: expected a new file",
        ("--replace",): "explore: expected at most 0.000954 MB of numbers",
        ("--replace", "--variable", "spectrm"): "variable: expected one of",
        ("--replace", "--select", "gain"): "select: expected DIM=VALUE",
        ("--replace", "--select", "gain=9"): "select: gain: expected one of 0.5, 0.8",
        ("--replace", "--select", "n=9"): "select: expected one of activation",
        ("results/lyapunov", "--replace"): "OTHER: expected other results",
    }
    for words, message in expected.items():
        assert main(["explore", "results/lyapunov", *words, "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"rnnjax: {message}")
        assert error.count("\n") == 1
    two = ["explore", "results/lyapunov", "results/lyapunov_wide", "--select", "gain=1.1"]
    assert main([*two, "--out", str(out), "--replace"]) == 2
    assert "got '1.1' (in results/lyapunov_wide" in capsys.readouterr().err
    assert main(["explore", "results/lyapunov", "--out", str(tmp_path / "a.txt")]) == 2
    assert main(["explore", str(tmp_path / "nothing")]) == 3


@pytest.mark.wide
def test_the_command_imports_no_jax(tmp_path):
    code = (
        "import sys; from rnnjax.cli import main; "
        f"main(['explore', 'results/lyapunov', '--out', {str(tmp_path / 'a.html')!r}]); "
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
