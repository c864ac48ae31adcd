"""What fails is told with its reason, and does not stop the rest."""

from pathlib import Path

import numpy as np
import pytest

from rnnjax.cli import main
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.store import Store

pytestmark = pytest.mark.wide  # a sweep as a process

TOY = Path(__file__).with_name("toy_experiment.py")


@pytest.fixture(scope="module")
def variant(folder):
    """The toy experiment with a cell that is NaN where none may be, and a group that raises."""
    text = TOY.read_text()
    here = "(setting.gain == 2) & (setting.seed == 1)"
    changes = {
        "return setting.gain * noise": f"""\
return jax.numpy.where({here}, np.nan, setting.gain) * noise""",
        '"log of the norm", "nat"': '"log of the norm", "nat", finite=True',
        "    function = rnnjax.activation": """\
    if activation == "relu":
        raise MemoryError("no room")
    function = rnnjax.activation""",
    }
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "failing_experiment.py"
    path.write_text(text)
    path.with_suffix(".toml").write_text(TOY.with_suffix(".toml").read_text())
    return path


def test_cells_and_groups_that_fail_are_told_in_a_table(rnnjax, folder, variant, capsys):
    three = ("--axes.activation", '["tanh","relu","sigmoid"]')
    done = rnnjax("run", variant, "--out", "cells", *three)
    assert done.returncode == 1
    table = done.stderr[done.stderr.index("failed (see") :].splitlines()
    line = 1 + variant.read_text().splitlines().index('        raise MemoryError("no room")')
    at = ["(failing_experiment.py", "line", f"{line})"]
    assert [words.split() for words in table[1:]] == [
        ["activation=relu", "(9", "cells)", "MemoryError:", "no", "room", *at],
        ["activation=sigmoid", "gain=2.0", "seed=1", "not", "finite:", "log_norm"],
        ["activation=tanh", "gain=2.0", "seed=1", "not", "finite:", "log_norm"],
    ]
    assert "Traceback" not in done.stderr
    cube = read_cube(folder / "cells")
    status = cube.log_norm_status.sel(activation=["tanh", "sigmoid"])
    failed = {"gain": 2.0, "seed": 1}
    lost = status.sel(failed).isel(lag=slice(1, None))  # lag 0 is the start
    assert (lost == 3).all()  # it is NaN, and says so
    assert int((status != 1).sum()) == lost.size
    assert (cube.log_norm_status.sel(activation="relu") == 5).all()
    assert np.isnan(cube.log_norm.sel(failed).isel(lag=slice(1, None))).all()
    told = Store.open(folder / "cells").receipts()["activation=tanh"]["failed_cells"]
    assert told["number"] == 1
    assert told["examples"][0]["cell"] == {"activation": "tanh", "gain": 2.0, "seed": 1}

    assert main(["status", str(folder / "cells")]) == 0
    told = capsys.readouterr().out
    assert "groups   3 total, 2 committed, 1 failed, 0 missing" in told
    assert "cells    27 total, 18 committed" in told
    assert "left     about" in told
    assert "not finite: log_norm" in told
