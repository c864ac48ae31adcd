"""Folders of results from somebody else: looking at them runs nothing and leaves the folder alone.

Pickles, links, bombs and unsafe names within single files: test_store_refusals.py.
"""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from rnnjax.cli import main
from rnnjax.sweep.cube import read_cube

TOY = Path(__file__).with_name("toy_experiment.py")
LOOKS = ("status", "verify", "check", "figure", "resume")
HTML = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J\x07"


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("trapped"),))


@pytest.fixture
def lone(plain, tmp_path, monkeypatch):
    """A folder with a cube alone, to be spoilt."""
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    return out, read_cube(plain)


def looked_at(capsys, *arguments):
    status = main([*map(str, arguments)])
    told = capsys.readouterr()
    for stream in (told.out, told.err):
        assert all(c.isprintable() or c == "\n" for c in stream), arguments
        assert "Traceback" not in stream
    return status, told


@pytest.mark.wide
@pytest.mark.parametrize("key", ["experiment", "config", "jax_version", "title"])
def test_html_and_escape_codes_in_attributes_are_text(lone, capsys, key):
    out, cube = lone
    cube.attrs[key] = HTML
    cube.log_norm.attrs["long_name"] = HTML
    cube.to_netcdf(out / "cube.nc", engine="h5netcdf")
    for command in ("status", "verify", "check", "figure"):
        status, _ = looked_at(capsys, command, out)
        assert status in (0, 1, 2), command
    assert looked_at(capsys, "export", out, "e.csv")[0] == 0
    assert "<script>" not in (read_cube(out)._repr_html_())


@pytest.mark.wide
@pytest.mark.parametrize("name", ["../../evil.py", "/etc/passwd", "..", "x" * 5000, ""])
def test_an_experiment_that_is_a_path_out_of_place_is_not_run(lone, capsys, name):
    out, cube = lone
    cube.attrs["experiment"] = name
    cube.to_netcdf(out / "cube.nc", engine="h5netcdf")
    for command in ("check", "figure"):
        status, told = looked_at(capsys, command, out)
        assert status == 2
        assert told.err.count("\n") == 1


@pytest.mark.wide
@pytest.mark.parametrize("name", ["cube.nc", "cube.json", "sweep.json"])
@pytest.mark.parametrize("kind", ["pickle", "npz", "bomb", "html", "link"])
def test_files_of_another_kind_are_refused_in_one_line(lone, plain, capsys, name, kind):
    out, _ = lone
    shutil.copytree(plain, out, dirs_exist_ok=True)
    path = out / name
    if kind == "npz":
        np.savez(out / "trap.npz", trap=np.array([Trap()], dtype=object))
        (out / "trap.npz").rename(path)
    elif kind == "link":
        path.unlink()
        path.symlink_to("/etc/passwd")
    else:
        bombs = {"pickle": pickle.dumps(Trap()), "bomb": b'{"a":' * 10**6, "html": HTML.encode()}
        path.write_bytes(bombs[kind])
    before = sorted(p.relative_to(out) for p in out.rglob("*"))
    for command in LOOKS[:-1] if name != "sweep.json" else ("status", "verify", "resume"):
        status, told = looked_at(capsys, command, out)
        assert status in (0, 3), command
        assert status == 0 or told.err.count("\n") <= 1
    assert looked_at(capsys, "verify", out)[0] == 3
    assert not Path("trapped").exists()
    assert {p.relative_to(out) for p in out.rglob("*")} - {*before} <= {
        Path("figure.png"),
    }  # fmt: skip


def test_ids_that_leave_the_folder_are_refused(lone, plain, capsys):
    import json

    from rnnjax.sweep import files

    out, _ = lone
    shutil.copytree(plain, out, dirs_exist_ok=True)
    spec = json.loads((out / "sweep.json").read_text())
    for name in ("../../escaped", "/tmp/escaped", "..\\escaped", "a/../../b"):
        spec["groups"][0]["id"] = name
        (out / "sweep.json").write_bytes(files.seal(spec))
        for command in ("status", "verify", "resume"):
            status, told = looked_at(capsys, command, out)
            assert status == 3
            assert "is no safe file name" in told.err
    assert not list(out.parent.glob("escaped*"))
