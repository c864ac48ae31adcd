"""Two thousand generated bad configs: exit status 2, one line that names the key, nothing made.

Every input is bad by how it is made, and its line must hold a word that is known from there: the
key, or the file. A category is a function that draws one input; half of what can be said in either
way is written as a TOML file, half as flags.
"""

import random
import string
import tomllib
from pathlib import Path

import pytest

from rnnjax.cli import main
from rnnjax.sweep.axes import MAX_VALUES
from rnnjax.sweep.experiment import load
from rnnjax.sweep.plan import MAX_CELLS
from rnnjax.sweep.spec import axis_values, item_type

TOY = Path(__file__).parent / "sweep" / "toy_experiment.py"
MODEL = load(str(TOY)).config
AXES = MODEL.model_fields["axes"].annotation
TYPES = {name: field.annotation for name, field in MODEL.model_fields.items() if name != "axes"} | {
    f"axes.{name}": item_type(field.annotation) for name, field in AXES.model_fields.items()
}
NUMBERS = [key for key, kind in TYPES.items() if kind in (int, float)]
POSITIVE = [key for key in NUMBERS if key not in ("axes.seed", "shift")]
N_EACH = 223
LARGE = 10_000_000  # bytes


def toml(key, text):
    """A file that is good but for the one key, which it gives the value of this text."""
    table, _, name = key.rpartition(".")
    lines = {"": {}, "axes": {"activation": '["tanh"]', "gain": "[1.0]", "seed": "[0]"}}
    lines[table][name] = text
    return "".join(f"{name} = {text}\n" for name, text in lines[""].items()) + "".join(
        ["[axes]\n", *(f"{name} = {text}\n" for name, text in lines["axes"].items())]
    )


def either(chooser, key, text):
    """The value by a file or by a flag."""
    if chooser.random() < 0.5:
        return [], toml(key, text), key
    return [f"--{key}={text}"], None, key


def a_wrong_type(chooser):
    key = chooser.choice(list(TYPES))
    n = chooser.randrange(10**9)
    wrong = {
        int: [f"{n}.5", "[[1]]", f'"x{n}"', "1979-05-27", f"{{a = {n}}}", f"[1, {n}.5]"],
        float: [f'"x{n}"', "[[1.0]]", "07:32:00", f"{{a = {n}}}", f'[1.0, "y{n}"]'],
        bool: [f"{n + 2}", f"{n}.5", f'"yes{n}"', f"[{n}]"],
        str: [f"{n}", f"{n}.5", "true", f"{{a = {n}}}"],
    }
    text = chooser.choice(wrong[TYPES[key]])
    if TYPES[key] is str:  # a flag of text is text, whatever it looks like
        return [], toml(key, text if key == "task" else f"[{n}]"), key
    return either(chooser, key, text)


def not_finite(chooser):
    key = chooser.choice([key for key, kind in TYPES.items() if kind is float])
    text = chooser.choice(["nan", "inf", "-inf", "+nan", "1e999", "-1e400"])
    if key.startswith("axes."):
        others = [f"{chooser.uniform(0.1, 3):.6f}" for _ in range(chooser.randrange(4))]
        others.insert(chooser.randrange(len(others) + 1), text)
        text = f"[{', '.join(others)}]"
    return either(chooser, key, text)


def out_of_range(chooser):
    key = chooser.choice(POSITIVE)
    number = -chooser.randrange(10**6) if TYPES[key] is int else -chooser.uniform(0, 1e6)
    return either(chooser, key, f"{number}")


def an_unknown_key(chooser):
    name = chooser.choice(list(TYPES))
    table, _, last = name.rpartition(".")
    letters = "".join(chooser.choices(string.ascii_lowercase, k=1 + chooser.randrange(3)))
    at = chooser.randrange(1, len(last) + 1)
    last = last[:at] + letters + last[at:]
    return either(chooser, f"{table}.{last}" if table else last, f"{chooser.randrange(100)}")


def a_huge_grid(chooser):
    n, m = (chooser.randrange(2 * 10**4, 4 * 10**4) for _ in range(2))
    assert n * m > MAX_CELLS
    if chooser.random() < 0.5:
        spacing = chooser.choice(["lin", "log"])
        return [f"--axes.gain={spacing}(0.5, 2, {n})", f"--axes.seed=range({m})"], None, "axes"
    return either(chooser, "axes.seed", f'"range({MAX_VALUES * n})"')


def strange_text(chooser):
    kinds = [
        "\x1b[2J",
        "\u202e",
        "\u200b",
        "é",
        "日本",
        "\U0001f600",
        "\x07",
        "<b>",
        "%s{}",
    ]
    text = "".join(chooser.choices(kinds, k=1 + chooser.randrange(6))) + str(chooser.random())
    quoted = '"' + "".join(c if c.isprintable() and c != '"' else f"\\u{ord(c):04x}" for c in text)
    if chooser.random() < 0.3:
        return [], toml(f'{quoted.replace(".", "")}"', "1"), "unknown key"
    key = chooser.choice(["axes.activation", *NUMBERS])
    if chooser.random() < 0.5:
        return [f"--{key}={text}"], None, key
    return [], toml(key, f'[{quoted}"]' if key.startswith("axes.") else f'{quoted}"'), key


def broken_toml(chooser):
    good = TOY.with_suffix(".toml").read_bytes()
    at = chooser.randrange(len(good))
    piece = chooser.choice([b"\x00", b"\xff", b"\xc3(", b"= =", b"\n[[\n", b'"""', b"\n[axes\n"])
    for text in (good[:at] + piece + good[at:], good + b"\n" + piece + str(at).encode()):
        try:
            tomllib.loads(text.decode())
        except ValueError:
            return [], text, "config.toml"
    return [], good + b"\n[axes]\n" + b"#" * at, "config.toml"  # the table is there twice


def a_file_that_is_too_large(chooser):
    kind = chooser.choices(["long", "nested", "digits"], [1, 20, 20])[0]
    n = chooser.randrange(10**4)
    if kind == "nested":
        return [], toml("n_h", f"{'[' * (5000 + n)}1{']' * (5000 + n)}"), "config.toml"
    if kind == "digits":
        return [], toml("n_h", "9" * (5000 + n)), ("config.toml", "n_h")
    return [], b"# " + b"x" * (LARGE + n), "config.toml"


def flags_that_contradict(chooser):
    key = chooser.choice(list(TYPES))
    kind, n = chooser.randrange(4), chooser.randrange(10**6)
    if kind == 0:
        return [f"--{key}={n + 1}", f"--{key}={n + 2}"], None, key
    if kind == 1:
        return ["--x64", f"--{key}.deeper{n}=1"], None, key
    if kind == 2:
        return [f"--{key}", f"--n-h={n + 1}"], None, key
    return [f"--devices={-n}"], None, "devices"


CATEGORIES = (
    a_wrong_type,
    not_finite,
    out_of_range,
    an_unknown_key,
    a_huge_grid,
    strange_text,
    broken_toml,
    a_file_that_is_too_large,
    flags_that_contradict,
)


def drawn(category):
    """Different inputs of a category."""
    chooser, seen = random.Random(category.__name__), {}
    for _ in range(100 * N_EACH):
        one = category(chooser)
        seen.setdefault(repr(one[:2]) if len(repr(one[:2])) < 10**6 else len(one[1]), one)
        if len(seen) == N_EACH:
            break
    return list(seen.values())


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.__name__)
def test_bad_configs_get_one_line(category, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    inputs = drawn(category)
    assert len(inputs) == N_EACH
    for flags, text, word in inputs:
        if text is not None:
            data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
            Path("config.toml").write_bytes(data)
            flags = ["--config", "config.toml", *flags]
        before = sorted(tmp_path.rglob("*"))
        try:
            status = main(["run", str(TOY), "--out", "out", *flags])
        except SystemExit as exit_:
            status = exit_.code
        out, err = capsys.readouterr()
        told = ([flag[:200] for flag in flags], str(text)[:200], status, out, err)
        assert status == 2, told
        assert out == "", told
        assert err.startswith("rnnjax: ") and err.endswith("\n"), told
        assert err.count("\n") == 1 and err[:-1].isprintable(), told
        words = word if isinstance(word, tuple) else (word,)
        assert any(w in err or w.replace("_", "-") in err for w in words), told
        assert sorted(tmp_path.rglob("*")) == before, told


def test_there_are_two_thousand_of_them_and_every_key_is_attacked():
    assert N_EACH * len(CATEGORIES) >= 2000
    assert {key for category in CATEGORIES for _, _, key in drawn(category)} >= set(TYPES)
    assert set(axis_values(AXES(activation=["tanh"], gain=[1.0], seed=[0]))) == {
        key.removeprefix("axes.") for key in TYPES if key.startswith("axes.")
    }
