"""Cubes in other formats that have something special."""

import csv

from rnnjax import sweep
from rnnjax.sweep.export import export


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
