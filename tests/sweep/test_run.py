"""A sweep from its config to its cube, figure and claims, and a finished sweep shown again."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnnjax import catalog
from rnnjax.cli import main
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.store import Store

TOY = Path(__file__).with_name("toy_experiment.py")
GROUPS = ("activation=tanh", "activation=relu")


def test_the_cube_is_labelled(plain):
    cube = read_cube(plain)
    assert cube.log_norm.dims == ("activation", "gain", "seed", "lag")
    assert cube.horizon.dims == ("activation", "gain", "seed")
    assert cube.activation.values.tolist() == ["tanh", "relu"]
    assert cube.gain.values.tolist() == [0.5, 1.0, 2.0]
    assert cube.seed.values.tolist() == [0, 1, 2]
    assert cube.lag.values.tolist() == list(range(6))
    assert cube.log_norm.attrs == {"long_name": "log of the norm", "units": "nat"}
    assert set(np.unique(cube.log_norm_status)) == {1}
    beyond = np.isinf(cube.horizon.values)
    assert beyond.any()
    assert not beyond.all()
    assert np.array_equal(cube.horizon_status.values == 6, beyond)


def test_the_cube_tells_where_it_comes_from(plain):
    attributes = read_cube(plain).attrs
    config = json.loads(attributes["config"])
    assert attributes["experiment"] == str(TOY)
    assert config["axes"]["gain"] == [0.5, 1.0, 2.0]
    assert (config["n_h"], config["chunk"]) == (8, 4)
    assert attributes["precision"] == "float32"
    assert attributes["config_hash"] == Store.open(plain).spec["config_hash"]
    message = "rnnjax_version git_revision git_dirty jax_version jaxlib_version numpy_version "
    message += "python_version cpu_flags device_platform device_kind xla_flags schema"
    assert set(message.split()) <= set(attributes)
    assert not {"host", "seconds", "devices", "time"} & set(attributes)


def test_every_cell_is_what_its_labels_say(plain):
    """Against the same lane computed alone, eagerly."""
    import jax

    from rnnjax.sweep.config import parse_config
    from rnnjax.sweep.experiment import load

    toy, cube = load(str(TOY)), read_cube(plain)
    config = parse_config(toy.setting, json.loads(cube.attrs["config"]))
    with jax.enable_x64(False):
        for activation, gain, seed in [("tanh", 0.5, 0), ("relu", 2.0, 2), ("tanh", 1.0, 1)]:
            values = {"activation": activation, "gain": np.float32(gain), "seed": np.int32(seed)}
            setting = config.setting(values)
            alone = toy.measure(setting, toy.shared(setting))
            cell = cube.sel(activation=activation, gain=gain, seed=seed)
            np.testing.assert_allclose(cell.log_norm, alone["log_norm"], atol=1e-5)
            assert float(cell.horizon) == float(alone["horizon"])


def test_one_program_a_static_value_and_one_of_what_they_share(finished):
    names = re.findall(r"Compiling jit\((\w+)\)", finished.stderr)
    assert names.count("rnnjax_measure") == 2
    assert names.count("rnnjax_shared") == 1


def test_a_run_ends_by_telling_what_there_is(finished, plain):
    for name in ("cube.nc", "figure.png", "claims.json"):
        assert str(Path("plain") / name) in finished.stdout
        assert (plain / name).stat().st_size > 100
    assert "1 of 1 claims passed" in finished.stdout
    first, *_, last = [line for line in finished.stderr.splitlines() if " steps, " in line]
    assert first == "0/6 steps, compiling 1 of 3"
    message = r"6/6 steps, activation=relu, gain 3 x seed 3; threads compiled for \d+\.\d s"
    message += r" \(\d+\.\d s in all\)"
    assert re.fullmatch(message, last)


def test_a_finished_sweep_is_shown_again_without_computing(plain, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    before = {path: path.stat().st_mtime_ns for path in plain.rglob("*.nc")}
    (plain / "figure.png").unlink()
    monkeypatch.setattr("rnnjax.cli.sweeping.configured", None)
    assert main(["run", str(TOY), "--out", "plain"]) == 0
    assert {path: path.stat().st_mtime_ns for path in plain.rglob("*.nc")} == before
    assert (plain / "figure.png").exists() and not (plain / "figure.pdf").exists()
    assert main(["run", str(TOY), "--out", "plain", "--pdf"]) == 0
    assert (plain / "figure.pdf").exists()
    (plain / "figure.pdf").unlink()
    assert "1 of 1 claims passed" in capsys.readouterr().out


def test_another_config_does_not_touch_a_finished_sweep(plain, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in plain.rglob("*") if path.is_file()}
    assert main(["run", str(TOY), "--out", "plain", "--n-h", "4"]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "holds another sweep" in error
    assert main(["run", str(TOY), "--out", "plain", "--x64"]) == 3
    assert {path: path.read_bytes() for path in plain.rglob("*") if path.is_file()} == before


def test_a_lone_cube_is_enough(plain, rnnjax, folder, tmp_path):
    """As a committed result is: cube, figure and claims, and no jax to look at them."""
    lone = tmp_path / "lone"
    lone.mkdir()
    shutil.copy(plain / "cube.nc", lone)
    code = (
        "import sys\nfrom rnnjax.cli import main\n"
        f"out = {str(lone)!r}\n"
        "statuses = [main([c, out]) for c in ('status', 'verify', 'check')]\n"
        "assert 'matplotlib' not in sys.modules\n"
        "statuses.append(main(['figure', out]))\n"
        f"statuses.append(main(['run', {str(TOY)!r}, '--out', out]))\n"
        "assert statuses == [0] * 5, statuses\n"
        "assert 'jax' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": str(catalog.PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "claims passed" in done.stdout
    assert (lone / "cube.nc").read_bytes() == (plain / "cube.nc").read_bytes()
    assert main(["run", str(TOY), "--out", str(lone), "--n-h", "4"]) == 3


def test_a_figure_or_claim_that_raises_leaves_the_cube(plain, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    broken = TOY.read_text().replace("drawn = Figure(", "drawn = Figures(")
    (tmp_path / "toy_experiment.py").write_text(broken.replace("1e-6, ", "1e-6, 3, "))
    shutil.copytree(plain, tmp_path / "out")
    before = (tmp_path / "out" / "cube.nc").read_bytes()
    from rnnjax.cli.results import present
    from rnnjax.sweep.experiment import load

    assert present(load("toy_experiment.py"), read_cube("out"), Path("out"), pdf=False) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"rnnjax: figure: toy_experiment.py line \d+: NameError: .*", lines[0])
    assert re.fullmatch(r"rnnjax: claims: toy_experiment.py line \d+: .*", lines[1])
    assert (tmp_path / "out" / "cube.nc").read_bytes() == before


@pytest.mark.parametrize(
    ("body", "status", "title"),
    [
        ("f'Of {cube.sizes[\"seed\"]} seeds all count. More.'", 0, "Of 3 seeds all count"),
        ("f'It is {math.nan}.'", 0, None),
        ("nowhere", 1, None),
    ],
)
def test_an_answer_is_title_and_caption_and_its_failure_leaves_the_figure(
    plain, tmp_path, capsys, monkeypatch, body, status, title
):
    monkeypatch.chdir(tmp_path)
    text = TOY.read_text() + f"\n\ndef answer(cube):\n    return {body}\n"
    (tmp_path / "toy_experiment.py").write_text(text)
    shutil.copytree(plain, tmp_path / "out")
    (tmp_path / "out" / "figure.png").unlink()
    titles = []
    monkeypatch.setattr("rnnjax.figures.save_figure", lambda f, *_, **__: titles.append(f) or ())
    assert main(["figure", "out", "--experiment", "toy_experiment.py"]) == status
    assert [figure.get_suptitle() or None for figure in titles] == [title]
    assert (tmp_path / "out" / "caption.txt").exists() == (title is not None)
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == status
    assert main(["check", "out", "--experiment", "toy_experiment.py"]) == status
    shown = capsys.readouterr()
    assert "claims passed" in shown.out and len(shown.err.splitlines()) == status
    assert ("Of 3 seeds all count" in shown.out) == (title is not None)


def test_a_claim_that_fails_is_exit_status_1(plain, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = TOY.read_text().replace("0.5 * math.log(", "0.4 * math.log(")
    (tmp_path / "toy_experiment.py").write_text(wrong)
    shutil.copytree(plain, tmp_path / "out")
    cube = read_cube(plain)
    cube.attrs["experiment"] = "toy_experiment.py"
    (tmp_path / "out" / "cube.json").unlink()
    cube.to_netcdf(tmp_path / "out" / "cube.nc", engine="h5netcdf")
    assert main(["check", "out"]) == 1
    assert "FAIL" in capsys.readouterr().out


@pytest.mark.parametrize("out", ["/proc/nowhere", "file", "file/below"])
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(
    tmp_path, capsys, monkeypatch, out
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rnnjax.cli.sweeping.configured", None)
    (tmp_path / "file").write_text("")
    assert main(["run", str(TOY), "--out", out]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"rnnjax: {out}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("command", ["figure", "check"])
def test_results_do_not_bring_their_own_code(plain, tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "own.py").write_text("raise SystemExit('executed')")
    cube = read_cube(plain)
    cube.attrs["experiment"] = "out/own.py"
    cube.to_netcdf(tmp_path / "out" / "cube.nc", engine="h5netcdf")
    assert main([command, "out"]) == 2
    assert "expected an experiment outside out" in capsys.readouterr().err
