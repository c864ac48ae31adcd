"""What was mistyped or mistaken for something else: one line with what was expected."""

import pytest

from tests.surroundings.situation import Situation, check

pytestmark = pytest.mark.wide  # sweeps as processes

AXES = b'[axes]\r\nactivation = "tanh"\r\ngain = 1\r\nseed = 1\r\n'
FILES = {
    "my.txt": b"",
    "mark.toml": b"\xef\xbb\xbf" + AXES,
    "wide.toml": AXES.decode().encode("utf-16"),
    "bytes.toml": bytes(range(128, 256)),
    "empty.toml": b"",
    "foreign.toml": b"[project]\nname = 'other'\n",
    "open.toml": b"n_h =\n",
    "leaving.py": b"raise SystemExit(0)",
    "mark.py": b"\xef\xbb\xbf'''Has it a mark?'''\n",
}


def refused(name, arguments, told):
    return Situation(name, f"$R plan {arguments}", 2, "", f"rnnjax: {told}")


MESSAGES = [
    refused("a misspelt switch", "$TOY --qick", r"qick: .* \(did you mean '--quick'\?\)"),
    refused("a misspelt option", "$TOY --confg x", r"confg: .* \(did you mean '--config'\?\)"),
    refused("a text", "my.txt", r"experiment: expected a name .*, or a file that ends in \.py, .*"),
    refused("a path of a text", "./my.txt", r"experiment: .* that ends in \.py, got .*"),
    refused("a config for an experiment", "empty.toml", r"experiment: expected a name .*"),
    refused("a folder", "./", "experiment: expected a file that exists, got './'"),
    refused("an experiment that leaves", "./leaving.py", ".*: leaving.py line 1: SystemExit.*"),
    refused(
        "a foreign TOML",
        "$TOY --config foreign.toml",
        r"foreign\.toml: expected the config of .*, with keys like activation, .*, got 'project'",
    ),
    refused("UTF-16", "$TOY --config wide.toml", "wide.toml: .* UTF-8, got byte 0xff .*"),
    refused("bytes", "$TOY --config bytes.toml", "bytes.toml: .* UTF-8, got byte 0x80 .*"),
    refused("nothing after =", "$TOY --config open.toml", r"open\.toml: .* TOML, .* line 1, .*"),
    refused("a folder as a config", "$TOY --config .", r"config: cannot read \.: Is a directory"),
    Situation("a mark and CRLF", "$R plan $TOY --config mark.toml", 0, "cells       1 = "),
    Situation("a misspelt command", "$R chek", 2, "", r"rnnjax: .*\(did you mean 'check'\?\)"),
    Situation("no command", "$R", 0, "exit status: 0 done"),
    Situation("--version", "$R --version", 0, r"\Arnnjax \d\S*, jax \d\S*, Python \d\S*\n\Z"),
    Situation("a mark in a file of Python", "mkdir experiments; mv mark.py experiments; $R list", 0,
              "Has it a mark"),
]  # fmt: skip


@pytest.mark.parametrize("situation", MESSAGES, ids=lambda one: one.name)
def test_messages(tmp_path, situation):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    check(situation, tmp_path)


def test_what_failed_has_the_line_in_the_experiment(here):
    command = "TOY_BROKEN=relu $R run $TOY --out new"
    message = r"(?s).*RuntimeError: this group was told to fail \(toy_experiment\.py line \d+\)"
    check(Situation("an error in measure", command, 1, "1 of 1 claims", message), here)


@pytest.mark.parametrize("width", [80, 40])
def test_text_fits_the_width(here, width):
    commands = ["list", "check done", "run gradient_norms --help", "plan gradient_norms"]
    done = check(
        Situation(
            "narrow", "; ".join(f"$R {c}" for c in commands), variables={"COLUMNS": str(width)}
        ),
        here,
    )
    # A single word, such as a path, stays whole.
    wide = [line for line in done.stdout.splitlines() if len(line) > width and " " in line.strip()]
    assert [line for line in wide if "--cluster N" not in line] == []


def test_text_is_wrapped_and_never_cut(here):
    wide, narrow = (
        check(Situation("list", "$R list", variables={"COLUMNS": width}), here).stdout.split()
        for width in ("300", "50")
    )
    assert wide == narrow


def test_a_plan_tells_how_long_an_earlier_sweep_took(here):
    # The line is broken at one word or another, by the digits of the times.
    words = r"about \S+ s, by 2 groups in done: .* s for 18 cells on \d devices"
    known = r"time        " + words.replace(" ", r"\s+")
    check(Situation("known", "$R plan $TOY --out done --axes.seed 'range(50)'", 0, known), here)
    unknown = "time        not known before a run of this config"
    check(Situation("other cells", "$R plan $TOY --out done --n-h 9", 0, unknown), here)
    quoted = rf"{unknown}; the experiment says of its\n\s+standard sweep: about 25"
    check(Situation("no sweep", "$R plan gradient_norms", 0, quoted), here)
