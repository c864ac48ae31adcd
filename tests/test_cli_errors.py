"""Bad configs and usage: exit status 2, one line that names the key, nothing written."""

from pathlib import Path

import pytest

from rnnjax.cli import main

TOY = Path(__file__).parent / "sweep" / "toy_experiment.py"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def status_of(argv):
    """The exit status, whether argparse raises it or main returns it."""
    try:
        return main(argv)
    except SystemExit as exit_:
        return exit_.code


BAD_FLAGS = [
    (["--axes.gian", "1"], "axes.gian: unknown key"),
    (["--axes.gain", "nan"], "axes.gain: expected a finite number, got nan"),
    (["--axes.gain", "inf"], "axes.gain: expected a finite number, got inf"),
    (["--axes.gain=-1"], "axes.gain: expected a number greater than 0"),
    (["--axes.gain", "-1"], "axes.gain: expected a number greater than 0"),
    (["--axes.gain", "lin(0.5,2"], "axes.gain: expected a list, lin(a,b,n)"),
    (["--axes.gain", "lin(0.5,2,0)"], "axes.gain: expected a count"),
    (["--axes.gain", "lin(0.5,2,1e9)"], "axes.gain: expected a count"),
    (["--axes.gain", "lin(0.5,2,999999999)"], "axes.gain: expected a count"),
    (["--axes.gain", "geom(1,2,3)"], "axes.gain: expected a list"),
    (["--axes.gain", "[]"], "axes.gain: expected at least one value"),
    (["--axes.gain", ""], "axes.gain: expected at least one value"),
    (["--axes.gain", "[1, 'a']"], "axes.gain: expected a valid number, got 'a'"),
    (["--axes.gain", "[[1]]"], "axes.gain: expected a valid number, got [1]"),
    (["--axes.gain", "1,1"], "axes.gain: expected values that differ"),
    (["--axes.gain", "true"], "axes.gain: expected a valid number, got True"),
    (["--axes.gain", "{a=1}"], "axes.gain: expected a list"),
    (["--axes.gain", "1979-05-27"], "axes.gain: expected a list"),
    (["--axes.gain", "1\n2"], "axes.gain: expected a list"),
    (["--axes.gain", "1e60"], "axes.gain: expected 0 or a size within"),
    (["--axes.gain"], "axes.gain: expected a value after --axes.gain"),
    (["--axes.gain", "--n-h", "3"], "axes.gain: expected a value after --axes.gain"),
    (["--axes.seed", "0.5"], "axes.seed: expected a valid integer"),
    (["--axes.seed", "99999999999"], "axes.seed: expected an integer of 32 bits"),
    (["--axes.activation", "tahn"], "did you mean 'tanh'?"),
    (["--axes.activation", "tanh,tanh"], "axes.activation: expected values that differ"),
    (["--axes.activation", "3"], "axes.activation: expected one of"),
    (["--axes.activation", "Ta\x1b[2Jnh"], "axes.activation: expected one of"),
    (["--axes", "3"], "axes: expected"),
    (["--axes.gain.low", "3"], "axes.gain.low: expected gain to be a table"),
    (["--n-h", "0"], "n_h: expected a number greater than 0, got 0"),
    (["--n-h", "-5"], "n_h: expected a number greater than 0, got -5"),
    (["--n-h", "2.5"], "n_h: expected a valid integer, got 2.5"),
    (["--n-h", "1e3"], "n_h: expected a valid integer, got 1000.0"),
    (["--n-h", "many"], "n_h: expected a valid integer, got 'many'"),
    (["--n-h", "true"], "n_h: expected a valid integer, got True"),
    (["--n-h", "[3]"], "n_h: expected a valid integer, got [3]"),
    (["--n-h", "9" * 6000], "n_h: expected"),
    (["--n-h", "[" * 3000], "n_h: expected a valid integer"),
    (["--n-h", "1025"], "n_h: expected a number less than or equal to 1024"),
    (["--n-h", "3", "--n-h", "4"], "n_h: expected one value, got 2"),
    (["--gain", "3", "--axes.gain", "1,2"], "gain: expected a value or an axis, got '3' and"),
    (["--axes.gain", "1,2", "--gain", "3"], "gain: expected a value or an axis, got '3' and"),
    (["--nh", "3"], "nh: unknown key"),
    (["--chunk", "0"], "chunk: expected a number greater than or equal to 1"),
    (["--chunk", "1000000"], "chunk: expected a number less than or equal to 65536"),
    (["--noisy", "1"], "noisy: expected a valid boolean, got 1"),
    (["--noisy", "yes"], "noisy: expected a valid boolean, got 'yes'"),
    (["--shift", "nan"], "shift: expected a finite number, got nan"),
    (["--shift", "1e999"], "shift: expected a finite number, got inf"),
    (["--ünï", "1"], "ünï: unknown key"),
    (["--\n", "1"], "\\n: unknown key"),
    (["--", "1"], "usage: expected a key after --"),
    (["--axes.", "1"], "usage: expected a key after --"),
    (["--confg", "x.toml"], "confg: unknown key"),
    (["--confg", "x.toml"], "did you mean '--config'?"),
    (["--quick", "--config", "x.toml"], "config: expected --config or --quick, got both"),
    (["--config", "missing.toml"], "config: cannot read missing.toml"),
    (["--config", "."], "config: cannot read"),
    (["--config", ""], "config: expected a file name"),
    (["--config"], "--config: expected one argument"),
    (["--out", ""], "out: expected a folder"),
    (["--devices", "0"], "--devices: expected a whole number from 1 to 256"),
    (["--devices", "-1"], "--devices"),
    (["--devices", "257"], "--devices: expected a whole number from 1 to 256"),
    (["--devices", "two"], "--devices: expected a whole number from 1 to 256, got 'two'"),
    (["--devices", "9" * 5000], "--devices: expected a whole number"),
    (["--x64=1"], "--x64"),
    (["-n", "3"], "-n"),
    (["stray"], "stray"),
    (["st\nray\x1b"], "st\\nray\\x1b"),
    (["--word", "\udcff"], "usage: expected text in UTF-8"),
    (["--length", "1000000", "--axes.gain", "lin(1,2,999)"], "axes: expected at most 1000000000"),
    (
        ["--axes.gain", "lin(1,2,20000)", "--axes.seed", "range(20000)"],
        "axes: expected at most 100000000 cells",
    ),
]  # fmt: skip

AXES = "\n[axes]\nactivation = 'tanh'\ngain = 1\nseed = 1\n"
BAD_TOMLS = [
    ("axes = 3", "axes: expected"),
    ("gain = 1\n[axes]\ngain = 1", "gain: expected a value or an axis, got 1 and axes.gain"),
    ("[axes\ngain = 1", "sweep.toml: expected TOML"),
    ("n_h = nan\nn_h = 2", "sweep.toml: expected TOML"),
    ("n_h = 1979-05-27" + AXES, "n_h: expected a valid integer"),
    ("n_h = '''\n'''" + AXES, "n_h: expected a valid integer"),
    ("chunk = " + "9" * 5000, "sweep.toml: expected TOML"),
    ("chunk = 0x" + "f" * 5000, "expected"),
    ("chunk = " + "[" * 5000, "sweep.toml: expected TOML"),
    ("\0", "sweep.toml: expected TOML"),
    (b"n_h = '\xff\xfe'", "sweep.toml: expected TOML"),
    (b"# " + b"x" * 10**7, "sweep.toml: expected at most 1000000 bytes"),
    ("<script>alert(1)</script>", "sweep.toml: expected TOML"),
    (AXES + "[axes.more]\nx = 1", "axes.more.x: unknown key"),
    (AXES + "[nh]\nx = 1", "nh: unknown key"),
]


def refused(capsys, here, argv, told):
    before = sorted(here.rglob("*"))
    assert status_of(argv) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("rnnjax: ")
    assert output.err.endswith("\n")
    assert output.err[:-1].isprintable()
    assert len(output.err) < 700
    assert told in output.err
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(("flags", "told"), BAD_FLAGS)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_bad_flag_gets_one_line(capsys, here, command, flags, told):
    refused(capsys, here, [command, str(TOY), *flags], told)


@pytest.mark.parametrize(("text", "told"), BAD_TOMLS)
def test_a_bad_toml_gets_one_line(capsys, here, text, told):
    content = text if isinstance(text, bytes) else text.encode()
    (here / "sweep.toml").write_bytes(content)
    refused(capsys, here, ["run", str(TOY), "--config", "sweep.toml"], told)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["rnu"], "invalid choice: 'rnu'"),
        (["run"], "expected EXPERIMENT"),
        (["run", "no_such_experiment"], "experiment: expected one of"),
        (["run", "no/such.py"], "experiment: expected a file that exists"),
        (["run", "no_such_experiment", "--help"], "experiment: expected one of"),
        (["status"], "OUT"),
        (["resume", "out", "--devices", "0"], "--devices"),
        (["status", "out", "more"], "more"),
        (["list", "--all"], "--all"),
    ],
)
def test_bad_usage_gets_one_line(capsys, here, argv, told):
    refused(capsys, here, argv, told)
