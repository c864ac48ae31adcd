"""Cubes in other formats that have something special."""

import csv

import numpy as np
import pytest
import xarray as xr

from rnnjax import sweep
from rnnjax.errors import ConfigError
from rnnjax.sweep.export import export
from rnnjax.sweep.files import StoreError


def test_a_cube_without_axes_has_one_line_in_csv(tmp_path):
    cube = sweep.run(
        lambda setting: {"y": 2 * setting.a, "z": setting.a * [1, 2][1]}, a=3.0, progress=False
    )
    (path,) = export(cube, tmp_path / "cube.csv")
    lines = [*csv.reader(path.read_text().splitlines())]
    assert lines == [["y", "y_status", "z", "z_status"], ["6.0", "ok", "6.0", "ok"]]


def test_a_cell_that_was_selected_has_one_line_with_its_place(tmp_path):
    cube = sweep.run(lambda setting: {"y": 2 * setting.a}, a=[1.0, 3.0], progress=False)
    (path,) = export(cube.isel(a=1), tmp_path / "cube.csv")
    (line,) = csv.DictReader(path.read_text().splitlines())
    assert line == {"y": "6.0", "y_status": "ok", "a": "3.0"}


def test_a_csv_file_is_written_with_all_others_or_not_at_all(tmp_path):
    """The second of two files is there already, or is meant for two variables, or there is none."""
    cube = xr.Dataset({"a": ("g", np.ones(2)), "b": (("g", "x.y"), np.ones((2, 2)))})
    (tmp_path / "cube.x.y.csv").write_text("mine")
    with pytest.raises(StoreError, match="is there already"):
        export(cube, tmp_path / "cube.csv")
    both = cube.assign(c=(("g", "x", "y"), np.ones((2, 2, 2))))
    with pytest.raises(ConfigError, match=r"got 'new.x.y.csv' twice"):
        export(both, tmp_path / "new.csv")
    with pytest.raises(ConfigError, match="expected a cube with a variable, got none"):
        export(xr.Dataset(), tmp_path / "new.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["cube.x.y.csv"]


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"flag_values": np.int8(1), "flag_meanings": "ok"}, "ok"),  # as netCDF reads one code
        ({"flag_values": np.int8([0, 1]), "flag_meanings": "missing ok"}, "ok"),
        ({"flag_values": np.int8([0, 1]), "flag_meanings": "ok"}, "1"),
        ({"flag_values": np.array([0.5, 1.0]), "flag_meanings": "missing ok"}, "1"),
        ({"flag_values": "01", "flag_meanings": "missing ok"}, "1"),
        ({"flag_meanings": 3}, "1"),
        ({"flag_values": np.int8([1])}, "1"),
    ],
)
def test_a_status_whose_words_were_edited_is_told_by_its_code(tmp_path, attributes, told):
    cube = xr.Dataset({"a": ("g", [1.5]), "a_status": ("g", np.int8([1]), attributes)})
    (path,) = export(cube, tmp_path / "cube.csv")
    (line,) = csv.DictReader(path.read_text().splitlines())
    assert line == {"g": "0", "a": "1.5", "a_status": told}
