"""Standard streams that are closed, full, in a narrow encoding, or without a reader."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from rnnjax.cli import streams
from tests.surroundings.situation import Situation, check

pytestmark = pytest.mark.wide  # sweeps as processes

FULL = "rnnjax: standard output: No space left on device: some of the output is lost"
ASCII = {"PYTHONIOENCODING": "ascii"}
WITHOUT_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
STATUSES = "; echo ${PIPESTATUS[*]}"
COMMANDS = {
    "list": 0, "plan $TOY": 0, "run $TOY --help": 0, "status done": 0, "verify done": 0,
    "check done": 0, "papers done": 0, "figure done done": 0, "--version": 0, "status nothing": 3,
    "nonsense": 2,
}  # fmt: skip

HEADS = [
    Situation(f"{command} without a reader", f"$R {command} 2>&1 | true{STATUSES}", 0, f"^{code} 0")
    for command, code in COMMANDS.items()
]
STREAMS = [
    Situation("no standard output", "$R check done >&-"),
    Situation("no standard error", "$R status nothing 2>&-", 3),
    Situation("no standard error, all well", "$R list 2>&-", 0, "gradient_norms"),
    Situation("no standard input", "$R status done <&-", 0, "18 committed"),
    Situation("no stream at all", "$R check done <&- >&- 2>&-"),
    Situation("a full standard output", "$R list >/dev/full", 4, "", FULL),
    Situation("a full standard output, help", "$R --help >/dev/full", 4, "", FULL),
    Situation("a full standard output, bad usage", "$R plan >/dev/full", 2, "", ".*EXPERIMENT.*"),
    Situation("both full", "$R list >/dev/full 2>&1", 4),
    Situation("a full standard error", "$R status nothing 2>/dev/full", 3),
    Situation("the head of it", "$R list | head -n 1", 0, r"\Aadd_task .*\n(?!.*\n)"),
    Situation(
        "ASCII output", "$R plan $TOY --out 'dö 見'", 0, r"in d\\xf6 \\u898b$", "", ASCII
    ),
    Situation("ASCII errors", "$R status 'dö'", 3, "", r"rnnjax: d\\xf6: .*", ASCII),
    Situation(
        "an encoding with a handler of the user's", "$R plan $TOY --out 'dö'", 0, r"in d\?$", "",
        {"PYTHONIOENCODING": "ascii:replace"},
    ),
    Situation(
        "Latin-1", "$R plan $TOY --out 'dö'", 0, "in d\udcf6$", "",
        {"PYTHONIOENCODING": "latin-1"},
    ),
    Situation("the locale C", "$R plan $TOY --out 'dö'", 0, "in dö$", "", {"LC_ALL": "C"}),
    Situation(
        "a locale that is not there", "LC_ALL=xx_YY.nonsense $R plan $TOY --out 'dö'", 0, "in dö$",
        "(bash: warning: .*)?",
    ),
    Situation(
        "arguments that the locale cannot hold", "$R status 'dö'", 2, "",
        "rnnjax: usage: expected text in ASCII, got .*", WITHOUT_UTF8,
    ),
    Situation("unbuffered", "$R list | tail -n 2", 0, "workbook", "", {"PYTHONUNBUFFERED": "1"}),
    Situation(
        "unbuffered, without a reader", f"$R list | true{STATUSES}", 0, "^0 0", "",
        {"PYTHONUNBUFFERED": "1"},
    ),
]  # fmt: skip


@pytest.mark.parametrize("situation", [*HEADS, *STREAMS], ids=lambda one: one.name)
def test_streams(here, situation):
    check(situation, here)


def test_a_pipe_that_does_not_block_loses_nothing():
    """As a terminal that another process shares and has made non-blocking."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    text = "rnnjax" * 100_000
    with ThreadPoolExecutor() as pool, open(reads, "rb") as reader:
        read = pool.submit(reader.read)
        with streams._forgiving(writes, None) as stream:
            stream.write(text)
        os.close(writes)
        assert read.result() == text.encode()
