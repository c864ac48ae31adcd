"""The command diagnose: what it writes and prints, and what it refuses in one line."""

import errno
import functools
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import rnnjax
from rnnjax import catalog
from rnnjax.cli import main
from rnnjax.reports import Report
from tests.crossed import wide_but
from tests.importers import fixtures
from tests.reports import datasets

MODEL = """
import jax, jax.numpy as jnp
import helper

params = {"w": jnp.array([0.5, 0.9]), "u": 1.0}
examples = jax.random.normal(jax.random.key(0), (3, 6))


def loss(params, x):
    def step(h, x):
        return helper.squash(params["w"] * h + params["u"] * x), None

    return jnp.sum(jax.lax.scan(step, jnp.zeros(2), x)[0] ** 2)


if __name__ == "__main__":
    raise SystemExit("trained again")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnosed")
    (folder / "model.py").write_text(MODEL)
    (folder / "helper.py").write_text("import jax.numpy as jnp\nsquash = jnp.tanh\n")
    return folder


@pytest.fixture(scope="module")
def done(folder):
    """A process, as a user's is, in a terminal of 70 columns."""
    own = {"PYTHONPATH": str(catalog.PACKAGE.parent), "COLUMNS": "70", "NO_COLOR": "1"}
    command = ["-m", "rnnjax.cli", "diagnose", "model.py", "--out", "new/one"]
    return subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | own | {"XDG_CACHE_HOME": str(folder / "cache")},
    )  # fmt: skip


@pytest.mark.wide
def test_a_report_is_printed_and_written(folder, done):
    assert done.returncode == 0, done.stderr
    out = folder / "new" / "one"
    assert {path.name for path in out.iterdir()} == {"report.html", "report.nc", "figure.png"}
    assert [path.name for path in out.parent.iterdir()] == ["one"]
    report = Report.load(out / "report.nc")
    assert report.title == "model" and report.layers == ("scan_0",)
    assert str(report.dataset["line"].values[0]) == "model.py:13"
    assert report.dataset["log_norm_by_lag"].shape == (1, 3, 7)
    page = (out / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "scan_0" in page
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.wide
def test_what_is_printed_fits_the_terminal_and_has_no_colours(folder, done):
    report = Report.load(folder / "new" / "one" / "report.nc")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 70 and "\x1b" not in done.stdout
    assert lines[0] == "model" and report.verdict in lines
    assert [line.split() for line in lines[-3:]] == [
        ["report", "new/one/report.html"],
        ["report", "new/one/report.nc"],
        ["figure", "new/one/figure.png"],
    ]
    assert all(line.startswith("measuring: ") for line in done.stderr.splitlines())
    assert "scan_0 on 3 examples" in done.stderr


# From here on in this process, which keeps its own configuration of jax.


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rnnjax.cli.diagnosing.configured", lambda *_: None)
    (tmp_path / "model.py").write_text(MODEL.replace("helper.squash", "jnp.tanh")
                                       .replace("import helper", ""))  # fmt: skip
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """What `rnnjax.diagnose` is asked for; it answers with a report of other data."""
    calls = []

    def diagnose(loss, params, examples, **options):
        calls.append((loss, params, examples, options))
        options["progress"]("something")
        return Report(datasets.two_layers().assign_attrs(title=options["title"]))

    monkeypatch.setattr(rnnjax, "diagnose", diagnose, raising=False)
    return calls


def status_of(*argv):
    try:
        return main(["diagnose", *map(str, argv)])
    except SystemExit as exit_:
        return exit_.code


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_out_nothing_is_written(here, asked, capsys):
    before = files_in(here)
    assert status_of("model.py", "--layer", "scan_0", "--title", "mine") == 0
    (_, _, _, options) = asked[0]
    assert options["layers"] == ["scan_0"] and options["title"] == "mine"
    assert files_in(here) == before
    assert capsys.readouterr().out.startswith("mine\n")
    assert str(here) not in sys.path and "rnnjax_diagnosed" not in sys.modules


@pytest.mark.wide
def test_a_report_is_replaced_only_if_that_is_asked_for(here, asked, capsys):
    assert status_of("model.py", "--out", "a") == 0
    (here / "a" / "notes.txt").write_text("mine")
    before = files_in(here)
    assert status_of("model.py", "--out", "a", "--title", "other") == 2
    assert "out: expected a folder without report.html" in capsys.readouterr().err
    assert files_in(here) == before and len(asked) == 1
    assert status_of("model.py", "--out", "a", "--title", "other", "--replace") == 0
    assert Report.load("a/report.nc").title == "other"
    assert files_in(here).keys() == before.keys()


def test_a_disk_that_is_full_leaves_nothing(here, asked, monkeypatch, capsys):
    from rnnjax.cli import reports

    write = reports.write_atomically

    def full(path, content):
        if path.name == "figure.png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, content)

    monkeypatch.setattr(reports, "write_atomically", full)
    before = files_in(here)
    assert status_of("model.py", "--out", "a") == 3
    assert capsys.readouterr().err.endswith("a: No space left on device; free some space, then "
                                            "resume\n")  # fmt: skip
    assert files_in(here) == before and not (here / "a").exists()


def test_two_reports_side_by_side(here, capsys):
    for name, data in (("a", datasets.two_layers()), ("b", datasets.two_layers())):
        Report(data.assign_attrs(title=name)).save(here / name / "report.nc")
    assert status_of("--compare", "a", "b", "--out", "both") == 0
    told = capsys.readouterr().out
    assert told.startswith("a -> b\n")
    assert {path.name for path in (here / "both").iterdir()} == {
        "comparison.html", "comparison.png"
    }  # fmt: skip
    assert status_of("--compare", "a", "b", "--out", "both") == 2
    assert status_of("--compare", "a/report.nc", "b") == 0


def test_an_interrupt_between_two_parts_ends_the_command(here, asked, monkeypatch, capsys):
    from rnnjax.cli.interrupt import Interrupts

    monkeypatch.setattr(Interrupts, "asked", lambda self: True)
    assert status_of("model.py", "--out", "a") == 130
    assert capsys.readouterr().err == "rnnjax: interrupted\n" and not (here / "a").exists()


GOOD = "loss, params, examples = lambda w, x: w * x.sum(), 1.0, np.ones((2, 3))"
BAD_FILES = {
    "params = 1.0": "source: expected loss(params, example), params and examples in bad.py, "
    "got no loss, examples",
    "x = 1\ny = x / 0": "source: bad.py line 3: ZeroDivisionError: division by zero",
    "raise SystemExit(3)": "source: bad.py line 2: SystemExit: 3",
    "def (": "source: bad.py: SyntaxError: invalid syntax",
    "import no_such_module": "source: bad.py line 2: ModuleNotFoundError: No module named",
    GOOD: "loss: expected a recurrence (a scan that carries numbers), got none",
    f"{GOOD}\nexamples = 1.0": "examples: expected arrays with one leading axis",
    f"{GOOD}\nexamples = [np.ones(2), np.ones(3)]": "examples: expected arrays with one leading",
    f"{GOOD}\nexamples = ['a']": "examples: expected a tree of arrays, got 'a'",
    f"{GOOD}\nparams = 'a'": "params: expected a tree of arrays, got 'a'",
    f"{GOOD}\nparams = 1": "params: expected floating-point arrays, got none",
    f"{GOOD}\nloss = 3": "loss: expected a function (params, example) -> (), got 3",
    f"{GOOD}\nloss = lambda w, x: w * x": "loss: expected one real number of shape (), got",
    f"{GOOD}\ndef loss(w, x):\n    return w['a']": "source: bad.py line 4: ",
    f"{GOOD}\ntitle = 3": "title: expected text in bad.py, got 3",
}


@pytest.mark.parametrize("content", BAD_FILES, ids=range(len(BAD_FILES)))
def test_bad_files(here, asked, capsys, content):
    (here / "bad.py").write_text(f"import numpy as np\n{content}")
    refused(here, asked, capsys, ["bad.py", "--out", "a"], 2, BAD_FILES[content])


def refused(here, asked, capsys, argv, status, told):
    before = files_in(here)
    assert status_of(*argv) == status
    out, err = capsys.readouterr()
    assert err.startswith(f"rnnjax: {told}") and err.count("\n") == 1, err
    assert out == "" and not asked and files_in(here) == before


BAD_USAGE = [
    ([], 2, "source: expected SOURCE, a .py file or weights, or --compare"),
    (["none.py"], 2, "source: expected a file that exists, got 'none.py'"),
    ([""], 2, "source: expected the name of a file or folder, got ''"),
    (["model.py", "--out", "model.py"], 2, "out: expected a folder, got the file 'model.py'"),
    (["model.py", "--out", "model.py/a"], 3, "model.py/a: model.py cannot be written to"),
    (["model.py", "--data", "d.npz"], 2, "data: expected no --data with a .py file, got 'd.npz'"),
    (["model.py", "--layer", "RNN"], 2, "layers: expected names of scan_0, got 'RNN'"),
    (["model.py", "--compare", "a", "b"], 2, "source: expected no SOURCE with --compare"),
    (["--compare", "a", "b", "--x64"], 2, "x64: expected no --x64 with --compare, got True"),
    (["--compare", "a", "b"], 3, "a: No such file or directory"),
    (["--compare", "model.py", "b"], 3, "model.py: report: expected a netCDF-4 file of a report"),
    (["--compare", "a"], 2, "argument --compare: expected 2 arguments"),
    (["--comapre", "a"], 2, "unrecognized arguments: --comapre"),
    (["model.txt"], 2, "weights: expected a .safetensors or .npz file, got 'model.txt'"),
    (["."], 2, "weights: expected a .safetensors or .npz file, got '.'"),
    (["w.pt", "--data", "d.npz"], 2, "weights: expected a .safetensors or .npz file, got 'w.pt', "
     "a pickle, which runs code when it is read"),
    (["none.npz", "--data", "d.npz"], 2, "weights: expected a file that exists, got 'none.npz'"),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "status", "told"), BAD_USAGE, ids=[t for *_, t in BAD_USAGE])
def test_bad_usage(here, asked, capsys, argv, status, told):
    refused(here, asked, capsys, argv, status, told)


def weights(n=3, n_x=2, n_y=2):
    """The state dict of an LSTM with a linear layer behind it."""
    rng = np.random.default_rng(0)
    shapes = {
        "lstm.weight_ih_l0": (4 * n, n_x), "lstm.weight_hh_l0": (4 * n, n),
        "lstm.bias_ih_l0": (4 * n,), "lstm.bias_hh_l0": (4 * n,), "fc.weight": (n_y, n),
        "fc.bias": (n_y,),
    }  # fmt: skip
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


X = np.random.default_rng(1).normal(size=(3, 5, 2))
LENGTHS = np.array([5, 3, 4])
READ = ["w.npz", "--data", "d.npz", "--readout", "fc"]
TARGETS = {
    "numbers": (np.ones((3, 2)), "mean squared error at the last step"),
    "labels": (np.array([0, 1, 1]), "cross entropy of labels at the last step"),
    "numbers of every step": (np.ones((3, 5, 2)), "mean squared error, mean over all steps"),
    "labels of every step": (np.ones((3, 5), int), "cross entropy of labels, mean over all steps"),
}


@functools.cache
def program(cell):
    """States and outputs of one sequence after another, each as long as it is."""

    def of_one(params, x):
        return rnnjax.unroll(cell, params, x).plain, rnnjax.outputs(cell, params, x)

    return jax.jit(lambda params: [of_one(params, X[i, :n]) for i, n in enumerate(LENGTHS)])


def runs_of_each(cell, params):
    return jax.tree.map(np.asarray, program(cell)(params))


@pytest.mark.parametrize("kind", [*TARGETS, "none"])
@pytest.mark.parametrize("as_mask", wide_but([True], [True, False]))
def test_the_loss_of_weights_and_sequences(here, asked, capsys, kind, as_mask):
    """Against the outputs of each sequence cut to its length."""
    y, told = TARGETS.get(kind, (None, "no targets: a fixed unit vector is carried back from the"))
    x = X.copy()
    mask = np.arange(5) < LENGTHS[:, None]
    x[~mask] = np.nan
    ends = {"mask": mask} if as_mask else {"lengths": LENGTHS}
    np.savez("w.npz", **weights())
    np.savez("d.npz", x=x, **ends, **({} if y is None else {"y": y}))
    assert status_of(*(READ[:3] if y is None else READ)) == 0
    assert capsys.readouterr().out.startswith(f"loss  {told}")
    ((loss, params, examples, options),) = asked
    assert options["title"] == "w" and options["layers"] is None
    cell, same = rnnjax.from_torch(weights(), readout="fc")
    np.testing.assert_array_equal(params.W, same.W)
    # A state that is not finite has no gradient, not even one that nothing reads.
    assert np.isfinite(examples["x"]).all()
    found = jax.jit(jax.vmap(loss, (None, 0)))(params, examples)
    for i, (run, outputs) in enumerate(runs_of_each(cell, same)):
        last = outputs[-1]
        log_p = np.asarray(jax.nn.log_softmax(outputs, axis=1))
        expected = {
            "numbers": np.mean((last - 1) ** 2),
            "labels": -log_p[-1, [0, 1, 1][i]],
            "numbers of every step": np.mean((outputs - 1) ** 2),
            "labels of every step": -np.mean(log_p[:, 1]),
            "none": np.sum(run[-1, :3]) / 3**0.5,
        }
        np.testing.assert_allclose(found[i], expected[kind], rtol=1e-5)


@pytest.mark.parametrize("factor", [1.0, 1e-50, 1e38, 1e300])
def test_weights_of_steps_count_by_their_ratios(here, asked, factor):
    """Against the mean by weight in float64; float32 holds none of the weights but the first."""
    y = np.random.default_rng(1).standard_normal((3, 5, 2))
    mask = np.array([[1, 2, 4, 0, 0], [3, 1, 1, 1, 1], [1, 1, 1, 0, 1e-30]])
    np.savez("w.npz", **weights())
    np.savez("d.npz", x=X, y=y, mask=mask * factor)
    assert status_of(*READ) == 0
    ((loss, params, examples, _),) = asked
    cell, same = rnnjax.from_torch(weights(), readout="fc")
    outputs = jax.vmap(lambda x: rnnjax.outputs(cell, same, x))(X)
    each = np.mean((np.asarray(outputs, float) - y) ** 2, axis=2)
    expected = np.sum(mask * each, axis=1) / np.sum(mask, axis=1)
    found = jax.vmap(loss, (None, 0))(params, examples)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(examples["mask"] != 0, mask != 0)


def test_without_targets_of_steps_a_weight_is_one_or_zero(here, asked):
    np.savez("w.npz", **weights())
    np.savez(
        "d.npz", x=X, y=np.array([0, 1, 1]), mask=np.full((3, 5), 1.0) * [1, 1, 1, 1e300, 1e-300]
    )
    assert status_of(*READ) == 0
    np.testing.assert_array_equal(asked[0][2]["mask"], np.ones((3, 5)))


def test_options_reach_the_importers(here, asked, capsys):
    _, plain = fixtures.fixture("torch_rnn_tanh_one_layer")
    np.savez("w.npz", **{f"enc.{name}": array for name, array in plain.items()})
    n_x = plain["weight_ih_l0"].shape[1]
    np.savez("d.npz", x=np.ones((2, 4, n_x)))
    argv = ["w.npz", "--data", "d.npz", "--prefix", "enc", "--activation"]
    assert status_of(*argv, "tanh") == status_of(*argv, "tanh", "--framework", "torch") == 0
    capsys.readouterr()
    assert status_of(*argv, "tahn") == 2
    assert capsys.readouterr().err.startswith("rnnjax: activation: expected one of")
    _, keras = fixtures.fixture("keras_gru_reset_after_two_layers_no_bias")
    paths = [name for name in keras if name.endswith("recurrent_kernel")]
    np.savez("k.npz", **keras)
    names = [option for path in paths for option in ("--layer", path.split("/")[-3])]
    kernels = [a for name, a in keras.items() if name.endswith("/kernel")]
    np.savez("d.npz", x=np.ones((2, 4, kernels[0].shape[0])))
    argv = ["k.npz", "--data", "d.npz", *names]
    assert status_of(*argv, "--reset-after", "yes") == 0
    assert type(asked[-1][1]).__name__ == "StackParams"
    capsys.readouterr()
    assert status_of(*argv) == 2
    assert capsys.readouterr().err.startswith("rnnjax: reset_after: expected True or False")


Y = {"x": X, "y": np.array([0, 1, 1])}
BAD_DATA = [
    (READ, {}, {}, "data: expected an array x (examples, steps, inputs), got nothing"),
    (READ, {}, {"x": X, "masks": X}, "data: expected arrays named x, y, mask, lengths, got 'masks' "
     "(did you mean 'mask'?)"),
    (READ, {}, {"x": X[0]}, "x: expected shape (examples, steps, inputs), got (5, 2)"),
    (READ, {}, {"x": X[:0]}, "x: expected shape (examples, steps, inputs), got (0, 5, 2)"),
    (READ, {}, {"x": X[:, :, :1]}, "x: expected 2 inputs, as the weights have, in the last axis, "
     "got (3, 5, 1)"),
    (READ, {}, {"x": X.astype(str)}, "x: expected real numbers, got <U"),
    (READ, {}, {"x": X + 0j}, "x: expected real numbers, got complex128"),
    (READ, {}, {"x": X}, "readout: expected targets y in d.npz, got none"),
    (READ[:3], {}, Y, "readout: expected --readout with the name of the linear layer that gives y"),
    (READ[:3], {}, {"x": X, "y": np.ones((3, 1))}, "readout: expected --readout with the name of"),
    ([*READ[:4], "no"], {}, Y, "no.weight: expected an array, got none"),
    (READ, {}, Y | {"y": np.array([0.0, 1.0, 1.0])}, "y: expected numbers of shape (3, 2), "
     "(3, 5, 2), or integer labels, got float64 (3,)"),
    (READ, {}, Y | {"y": np.array([0, 2, 1])}, "y: expected labels from 0 to 1, as there are 2 "
     "outputs, got 2"),
    (READ, {}, Y | {"y": np.array([0, 1])}, "y: expected labels of shape (3,) or (3, 5)"),
    (READ, {}, Y | {"y": np.ones((3, 2), int)}, "y: expected labels of shape (3,) or (3, 5), or "
     "numbers with a decimal point, got int64 (3, 2)"),
    (READ, {}, Y | {"y": np.array(["a"] * 3)}, "y: expected real numbers, got <U1"),
    (READ, {}, Y | {"y": np.array([True, False, True])}, "y: expected real numbers, got bool"),
    (READ, {}, Y | {"mask": np.ones((3, 4))}, "mask: expected numbers of shape (3, 5), got"),
    (READ, {}, Y | {"mask": np.eye(3, 5) - np.eye(3, 5)[:1]}, "mask: expected finite weights"),
    (READ, {}, Y | {"mask": np.eye(5)[[0, 1, 2]] * [0, 1, 1, 1, 1]}, "mask: expected a weight "
     "other than 0 in each example, got none in example 0"),
    (READ, {}, Y | {"lengths": np.array([1, 2, 6])}, "lengths: expected 1 to 5, the steps of x"),
    (READ, {}, Y | {"lengths": np.array([1.0, 2, 5])}, "lengths: expected integers of shape (3,)"),
    (READ, {}, Y | {"lengths": LENGTHS, "mask": np.ones((3, 5))}, "lengths: expected mask or"),
    (READ, {}, {"x": X, "y": np.ones((3, 5, 2)), "mask": np.ones((3, 5)) * [1, 1, 1, 1, 1e-50]},
     "mask: expected weights of 0 or at least 1.2e-38 of the largest of their example, got 1e-50"),
    (READ, {}, Y | {"x": X.astype(float) + 1e39}, "x: expected numbers that float32 holds, got"),
    (READ, {}, {"x": X, "y": np.full((3, 2), 1e39)}, "y: expected numbers that float32 holds, got"),
    (READ, {"fc.weight": np.ones((2, 4))}, Y, "fc.weight: expected shape (any, 3), got (2, 4)"),
    (READ, {"lstm.weight_hh_l0": np.ones((5, 3))}, Y, "lstm.weight_hh_l0: expected shape"),
    ([*READ, "--prefix", "gru"], {}, Y, "prefix: expected one of 'lstm', got 'gru'"),
    ([*READ, "--layer", "lstm"], {}, Y, "layer: expected no --layer for weights of torch"),
    ([*READ, "--activation", "tanh"], {}, Y, "nonlinearity: expected None for nn.LSTM"),
    ([*READ, "--framework", "keras"], {}, Y, "weights: expected paths such as lstm/lstm_cell"),
    (READ, {"a/recurrent_kernel": X}, Y, "weights: expected names such as weight_hh_l0 (torch)"),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "other", "data", "told"), BAD_DATA, ids=range(len(BAD_DATA)))
def test_bad_weights_and_data(here, asked, capsys, argv, other, data, told):
    np.savez("w.npz", **weights() | other)
    np.savez("d.npz", **data)
    refused(here, asked, capsys, [*argv, "--out", "a"], 2, told)


def test_weights_without_data(here, asked, capsys):
    np.savez("w.npz", **weights())
    message = "data: expected --data FILE.npz with the sequences, got none"
    refused(here, asked, capsys, ["w.npz"], 2, message)


def test_data_that_cannot_be_read(here, asked, capsys):
    np.savez("w.npz", **weights())
    (here / "d.npz").write_text("text")
    refused(here, asked, capsys, READ, 2, "data: expected a readable .npz file without pickles")
    np.savez("d.npz", x=np.array([{}]))
    refused(here, asked, capsys, READ, 2, "data: expected a readable .npz file without pickles")
    (here / "d.npz").unlink()
    refused(here, asked, capsys, READ, 2, "data: expected an .npz file that exists, got")
