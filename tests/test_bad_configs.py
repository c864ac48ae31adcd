"""Two thousand generated bad configs: exit status 2, one line that names the key, nothing made."""

import random
from pathlib import Path

import pytest

from rnnjax.cli import main
from tests.bad_inputs import (
    CATEGORIES,
    CONFIG,
    FILE,
    KEYS,
    TOY,
    WORDS,
    drawn,
    good,
    written,
    wrong_type,
)


def status_of(argv):
    """The exit status, or what escaped."""
    try:
        return main(argv)
    except SystemExit as exit_:
        return exit_.code
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize(
    "n_tried",
    [20, pytest.param(80, marks=pytest.mark.wide), pytest.param(None, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.__name__)
def test_a_bad_config_gets_one_line(category, n_tried, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, bad in enumerate(drawn(category)[:n_tried]):
        Path(CONFIG).unlink(missing_ok=True)
        if bad.text is not None:
            Path(CONFIG).write_bytes(bad.text + b"#" * bad.padding)
        before = sorted(tmp_path.rglob("*"))
        command = ("run", "plan")[number // 2 % 2]
        status = status_of([command, str(TOY), *bad.flags])
        out, err = capsys.readouterr()
        message = f"{command} with {bad} gave {status}, {out!r}, {err!r} and not {bad.told}"
        assert (status, out) == (2, ""), message
        assert err.startswith(tuple(f"rnnjax: {start}" for start in bad.told)), message
        assert err.endswith("\n") and err[:-1].isprintable() and len(err) < 700, message
        assert "Traceback" not in err, message
        assert sorted(tmp_path.rglob("*")) == before, message


def test_what_they_are_made_from_is_good(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    chooser = random.Random(0)
    for by_file in [False, True] * 20:
        flags, text = written(chooser, good(chooser), by_file)
        Path(CONFIG).write_bytes(text or b"")
        assert status_of(["plan", str(TOY), *flags]) == 0, (flags, text)
        assert capsys.readouterr().err == ""


def test_there_are_two_thousand_and_every_key_is_attacked():
    inputs = [bad for category in CATEGORIES for bad in drawn(category)]
    assert len({(bad.flags, bad.text, bad.padding) for bad in inputs}) == len(inputs) == 2000
    assert sum(bad.flags == FILE for bad in inputs) == 1000
    for by_file, others in ((True, ()), (False, WORDS)):
        told = {bad.told[0] for bad in drawn(wrong_type) if (bad.flags == FILE) is by_file}
        assert told == {f"{name}: " for name in ("axes", *KEYS) if name not in others}
