"""The page about the monitor as its reader will use it: its blocks run from top to bottom."""

import re
from pathlib import Path

import numpy as np
import pytest

import rnnjax
from tests.diagnosis.test_monitor import NAMES

PAGE = Path(rnnjax.__file__).parent.parent / "docs" / "howto" / "monitor.md"


@pytest.mark.wide
def test_the_page_runs_and_names_every_key(float32):
    text = PAGE.read_text()
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    keys = {f"scan_0/{name}" for name in NAMES} | {"loss", "gradient/log_norm", "finite"}
    log, nnx_log = names["log"], names["nnx_log"]
    assert [set(row) for row in (*log, *nnx_log)] == [keys] * 4
    assert all(row["finite"] == 1 and row["scan_0/exponent"] < 0 for row in (*log, *nnx_log))
    assert nnx_log[0]["loss"] != nnx_log[1]["loss"] and log[0]["loss"] != log[1]["loss"]
    assert all(np.isnan(row["scan_0/gate_mean"]) for row in log)
    assert all(f"`NAME/{name}`" in text for name in NAMES)
