"""Two thousand generated bad configs: exit status 2, one line that names the key, nothing made.

Every input is a good config of the toy experiment with one thing made wrong, so how its line must
begin is known from how it was made and not from the code under test. A category is a function that
draws one such input; half of them all are TOML files, half are flags.
"""

import random
import string
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le
from pydantic import BaseModel

from rnnjax.catalog import activation_names
from rnnjax.cli import main
from rnnjax.sweep.experiment import load

TOY = Path(__file__).parent / "sweep" / "toy_experiment.py"
CONFIG = "config.toml"
FILE = ("--config", CONFIG)
NAMES = activation_names()
N_EACH = 200
LARGE = 10_000_000  # bytes


class Key(NamedTuple):
    kind: type
    is_axis: bool
    marks: list


class Bad(NamedTuple):
    flags: tuple  # of str
    text: bytes | None  # of the config file
    told: tuple  # of str: the line begins with one of them
    padding: int = 0  # bytes that are added to the file

    def __str__(self):
        text = self.text if self.text is None else self.text[:1500]
        return f"flags {[flag[:300] for flag in self.flags]}, file {text} + {self.padding} bytes"


def keys_of(model, prefix=""):
    found = {}
    for name, field in model.model_fields.items():
        kind, marks = field.annotation, field.metadata
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= keys_of(kind, f"{prefix}{name}.")
            continue
        is_axis = get_origin(kind) is tuple
        kind = get_args(kind)[0] if is_axis else kind
        if get_origin(kind) is Annotated:
            kind, *marks = get_args(kind)
        found[prefix + name] = Key(kind, is_axis, marks)
    return found


KEYS = keys_of(load(str(TOY)).config)
AXES = [name for name, key in KEYS.items() if key.is_axis]
NUMBERS = [name for name, key in KEYS.items() if key.kind in (int, float)]
# A flag that gives such a key any text at all is good.
WORDS = [name for name, key in KEYS.items() if key.kind is str and not key.is_axis]


def a_good_value(chooser, key):
    if not key.is_axis:
        choices = {"int": range(1, 99), "float": range(-9, 9), "bool": ["true", "false"]}
        return str(chooser.choice(choices.get(key.kind.__name__, ['"one word"'])))
    values = {"str": NAMES, "float": [n / 8 for n in range(1, 99)]}
    few = chooser.sample(values.get(key.kind.__name__, range(99)), chooser.randint(1, 4))
    return str(few).replace("'", '"')


def good(chooser):
    """The TOML of a value for every axis and some other keys."""
    chosen = {name: key for name, key in KEYS.items() if key.is_axis or chooser.random() < 0.5}
    return {name: a_good_value(chooser, key) for name, key in chosen.items()}


def written(chooser, pairs, by_file):
    """The flags and the file that give keys these values."""
    pairs = chooser.sample(list(pairs), len(list(pairs)))
    if by_file:
        return FILE, "".join(f"{key} = {text}\n" for key, text in pairs).encode()
    flags = []
    for key, text in pairs:
        option = "--" + key.replace("_", chooser.choice("-_"))
        flags += [option, text] if chooser.random() < 0.3 else [f"{option}={text}"]
    return tuple(flags), None


def spoilt(chooser, wrong, by_file, *told):
    """A good config with these keys made wrong; it is the first of them that is told by default."""
    keep = 1 if by_file else 0.3  # flags are laid over the file beside the experiment
    pairs = {key: text for key, text in good(chooser).items() if chooser.random() < keep}
    for key in wrong:
        for other in [other for other in pairs if f"{key}.".startswith(f"{other}.")]:
            del pairs[other]
        for other in [other for other in pairs if other.startswith(f"{key}.")]:
            del pairs[other]
    flags, text = written(chooser, (pairs | wrong).items(), by_file)
    return Bad(flags, text, told or (f"{next(iter(wrong))}: ",))


def a_key(chooser, by_file, names=tuple(KEYS)):
    return chooser.choice([name for name in names if by_file or name not in WORDS])


def wrong_type(chooser, by_file):
    n = chooser.randrange(1000, 9999)
    texts = {
        "integer": f"{n}",
        "fraction": f"{n}.5",
        "text": f'"w{n}"',
        "switch": "true",
        "table": f"{{a = {n}}}",
        "date": f"{n}-05-27",
        "time": f"07:32:00.{n}",
        "lists": f"[[{n}], []]",
        "empty": "[]",
    }
    taken = {
        int: ["integer"],
        float: ["integer", "fraction"],
        bool: ["switch"],
        str: ["text", "date", "time"],  # JSON has no dates: they are text in it
    }
    if chooser.random() < 0.05:
        return spoilt(chooser, {"axes": texts[chooser.choice(["text", "fraction"])]}, by_file)
    name = a_key(chooser, by_file)
    key = KEYS[name]
    fits = [] if name.endswith("activation") else taken[key.kind]  # no text here is a name
    text = texts[chooser.choice([sort for sort in texts if sort not in fits])]
    if key.is_axis and chooser.random() < 0.5:
        text = f"[{a_good_value(chooser, key)[1:-1]}, {text}]"
    return spoilt(chooser, {name: text}, by_file)


def not_finite(chooser, by_file):
    name = a_key(chooser, by_file)
    n = chooser.randrange(400, 9999)
    text = chooser.choice(["nan", "+nan", "inf", "-inf", f"1e{n}", f"-1e+{n}", f"{n}.0e{n}"])
    if KEYS[name].is_axis:
        spaced = f'"{chooser.choice(["lin", "log", "intlog"])}({text}, {n}, {n})"'
        listed = f"[{a_good_value(chooser, KEYS[name])[1:-1]}, {text}]"
        far = '"lin(-1e308, 1e308, 3)"'  # finite ends, but not their difference
        text = chooser.choice([text, listed, listed, spaced, far, f'"lin(0, {"9" * n}, 3)"'])
    return spoilt(chooser, {name: text}, by_file)


def ends_of(key):
    """The largest integer below the range of a key and the smallest one above it, or None."""
    below = [m.gt if isinstance(m, Gt) else m.ge - 1 for m in key.marks if isinstance(m, Gt | Ge)]
    above = [mark.le + 1 for mark in key.marks if isinstance(mark, Le)]
    lane = {int: (-(2**31) - 1, 2**31), float: (None, 10**39)}  # 32 bits
    others = lane[key.kind] if key.is_axis else (None, None)
    return (*below, others[0])[0], (*above, others[1])[0]


def out_of_range(chooser, by_file):
    name = chooser.choice(
        [name for name in NUMBERS if any(n is not None for n in ends_of(KEYS[name]))]
    )
    key, n = KEYS[name], chooser.choice([0, 1, 10, 10**6, 10**12]) * chooser.randrange(9)
    below, above = ends_of(key)
    number = chooser.choice([end for end in (below and below - n, above and above + n) if end])
    if below == 0 and chooser.random() < 0.5:
        number = -n
    text = f"{float(number)}" if key.kind is float and chooser.random() < 0.5 else f"{number}"
    if key.is_axis and chooser.random() < 0.5:
        text = f"[{a_good_value(chooser, key)[1:-1]}, {text}]"
    return spoilt(chooser, {name: text}, by_file)


def misspelt(chooser, word):
    at = chooser.randrange(len(word))
    letter = chooser.choice(string.ascii_lowercase)
    ways = [
        word[:at] + letter + word[at:],
        word[:at] + letter + word[at + 1 :],
        word[:at] + word[at].upper() + word[at + 1 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at:][:2][::-1] + word[at + 2 :],
        f"{word}_{letter}",
    ]
    return chooser.choice(ways).strip("_")


def unknown_key(chooser, by_file):
    name = chooser.choice([*KEYS, "axes"])
    table, dot, last = name.rpartition(".")
    wrong = table + dot + misspelt(chooser, last)
    if wrong in (*KEYS, "axes"):
        return unknown_key(chooser, by_file)
    text, kind = a_good_value(chooser, KEYS[chooser.choice(AXES)]), chooser.randrange(4)
    if kind == 0:  # a table of that name
        return spoilt(chooser, {f"{wrong}.{last}": text}, by_file, f"{wrong}: ")
    if kind == 1 and name != "axes":  # a table where a value belongs
        below = f"{name}.{misspelt(chooser, last)}"
        return spoilt(chooser, {below: text}, by_file, f"{name}: ", f"{below}: ")
    return spoilt(chooser, {wrong: text}, by_file)


def huge_grid(chooser, by_file):
    # Far beyond 10**8 cells, 10**9 values and 50,000 groups.
    n, m = (chooser.randrange(30_000, 40_000) for _ in range(2))
    low, high = chooser.uniform(0.1, 1), chooser.uniform(2, 3)
    every = {"axes.activation": str(list(NAMES)).replace("'", '"')}
    kind = chooser.choices(["count", "cells", "values", "groups", "trillion"], [60, 20, 20, 20, 1])[
        0
    ]
    if kind == "count":
        name = chooser.choice([name for name in AXES if name in NUMBERS])
        count = chooser.randrange(10**9, 10 ** chooser.randrange(10, 30))
        call = chooser.choice(["range(", "lin(1, 9, ", "log(1, 9, ", "intlog(1, 9, "])
        return spoilt(chooser, {name: f'"{call}{count})"'}, by_file)
    if kind == "values":
        axes = {"axes.seed": f'"range({n})"', "length": f"{10**6 - m}"}
        return spoilt(chooser, axes | every | {"chunk": "999"}, by_file, "axes: ")
    if kind == "groups":
        chunks = {"chunks_a_shard": "1", "chunk": "1"}
        return spoilt(chooser, chunks | every | {"axes.seed": f'"range({n})"'}, by_file)
    if kind == "trillion":
        n, m = 10**6 - chooser.randrange(99), 10**6 - chooser.randrange(99)
    axes = {"axes.gain": f'"lin({low}, {high}, {n})"', "axes.seed": f'"range({m})"'}
    return spoilt(chooser, axes | every, by_file, "axes: ")


# Controls, marks without width or to the left, letters that look like others, what shells expand.
STRANGE = [*"\0\a\b\t\n\r\x0b\x1b\x7f\x85\xa0\u200b\u202e\u2028\ufeff\ufffe\U000e0001"]
STRANGE += [*"éßİ日ｎсο\u0301😀$`%;|&<>{}\\'*?!~", "\x1b[2J", "\r\n", "%s", "{0}", "$(id)", "../"]
DIGITS = ["٣", "１", "४", "²", "Ⅷ", "𝟗", "\xa07", "7\u2003", "1\u200b2", "−3", "1٫5"]


def plain(text):
    """`text` as a terminal may be shown it."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def quoted(chooser, text):
    """`text` as TOML; all of it is escaped, or only what has to be."""
    must = chooser.choice([lambda one: True, lambda one: not one.isprintable() or one in '"\\'])
    return '"' + "".join(f"\\U{ord(one):08x}" if must(one) else one for one in text) + '"'


def strange_text(chooser, word):
    text = [*word]
    for piece in chooser.choices(STRANGE, k=chooser.randint(1, 4)):
        text.insert(chooser.randint(0, len(text)), piece)
    return "".join(text)


def strange_key(chooser, by_file):
    table, dot, last = chooser.choice([*KEYS, "axes"]).rpartition(".")
    key = strange_text(chooser, last)
    if by_file:
        wrong = table + dot + quoted(chooser, key)
        return spoilt(chooser, {wrong: "1"}, True, f"{plain(table + dot + key)}: unknown key")
    if chooser.random() < 0.05:
        flags, _ = written(chooser, good(chooser).items(), False)
        return Bad((*flags, f"--{last}\udc80=1"), None, ("usage: ",))
    wrong = table + dot + key.replace(".", "")
    return spoilt(chooser, {wrong: "1"}, False, f"{plain(wrong)}: unknown key")


def strange_value(chooser, by_file):
    name = a_key(chooser, False)
    text = strange_text(chooser, f"w{chooser.randrange(100)}")
    if name in NUMBERS and chooser.random() < 0.4:
        text = "".join(chooser.choices(DIGITS, k=chooser.randint(1, 3)))
    if by_file or chooser.random() < 0.3:
        text = quoted(chooser, text)
        text = f"[{text}]" if KEYS[name].is_axis and chooser.random() < 0.5 else text
    return spoilt(chooser, {name: text}, by_file)


def broken_toml(chooser, by_file):
    """A file with damage that Python's own reader of TOML sees, or with an axis cut off."""
    files = [TOY.with_suffix(".toml").read_bytes(), TOY.with_suffix(".quick.toml").read_bytes()]
    text = chooser.choice([*files, *(written(chooser, good(chooser).items(), True)[1],) * 4])
    at, cut = chooser.randrange(len(text)), chooser.random() < 0.3
    text = text[:at] if cut else text
    for _ in range(0 if cut else chooser.randint(1, 3)):
        at = chooser.randrange(len(text))
        piece = chooser.choice(
            [b"\0", b"\xff", b"\xc3", b"=", b"[", b'"', b"'''", b"\r", b"\n", b"}"]
        )
        text = text[:at] + chooser.choice([piece, b"", piece + text[at:][:1]]) + text[at + 1 :]
    text = text.decode().encode("utf-16") if cut and chooser.random() < 0.1 else text
    try:
        axes = tomllib.loads(text.decode()).get("axes")
    except ValueError:
        return Bad(FILE, text, (f"{CONFIG}: expected TOML, got ",))
    if not cut or set(axes or ()) == {name.removeprefix("axes.") for name in AXES}:
        return broken_toml(chooser, by_file)
    missing = [name for name in AXES if name.removeprefix("axes.") not in (axes or ())]
    return Bad(FILE, text, ("axes: " if axes is None else f"{missing[0]}: ",))


def too_large(chooser, by_file):
    n, name = chooser.randrange(1, 1000), chooser.choice(["n_h", "axes.seed"])
    kind = chooser.choice(["file", "name", "lists", "tables", "dots", "digits", "letters"])
    if kind == "file" and by_file:
        _, text = written(chooser, good(chooser).items(), True)
        size = chooser.choice([LARGE, 1_000_000]) + n
        return Bad(FILE, text + b"#", (f"{CONFIG}: expected at most ",), size - len(text))
    if kind in ("file", "name"):
        flags, _ = written(chooser, good(chooser).items(), False)
        wrong = chooser.choice(
            [f"no{n}.toml", f"{CONFIG}/{n}", "." + "/." * n, f"\0{n}", "f" * 999]
        )
        return Bad((*flags, f"--config={wrong}"), b"", ("config: ",))
    # Such a file is refused as a whole where TOML or JSON cannot be that deep or long.
    either = (f"{name}: ", f"{CONFIG}: ", "config: ")
    deep = chooser.choice([n, 10 * n])
    if kind == "dots":
        key = f"more{'.x' * deep}"
        return spoilt(chooser, {key: "1"}, by_file, "more: ", *either[1:])
    texts = {
        "lists": "[" * (2 + deep) + "1" + "]" * (2 + deep),
        "tables": "{a = " * deep + "1" + "}" * deep,
        "digits": chooser.choice(["9", "0x", "0b"]) + "1" * (100 + 10 * n),
        "letters": f'"{"w" * (100 * n)}"',
    }
    return spoilt(chooser, {name: texts[kind]}, by_file, *either)


def contradicting_flags(chooser, by_file):
    flags, _ = written(chooser, [], False)
    values = good(chooser)
    name = chooser.choice(list(KEYS))
    n = chooser.randrange(1000)
    kind = chooser.choice(["twice", "below", "nothing", "quick", "devices", "stray", "switch"])
    others = [f"--{key}={text}" for key, text in values.items() if key != name]
    few = chooser.sample(others, chooser.randint(0, 3))
    option = chooser.choice([f"--{name}", f"--{name.replace('_', '-')}"])
    value = a_good_value(chooser, KEYS[name])
    told = {
        "twice": ([f"{option}={value}", f"--{name}={value}"], f"{name}: expected one value"),
        "below": ([f"{option}.x{n}=1", f"--{name}={value}"], f"{name}.x{n}: "),
        "nothing": ([option], f"{name}: expected a value after --"),
        "quick": ([f"--config=f{n}.toml", "--quick"], "config: "),
        "devices": ([f"--devices={chooser.choice([-n, 257 + n])}"], "argument --devices: "),
        "stray": ([f"stray{n}"], f"unrecognized arguments: stray{n}"),
        "switch": ([chooser.choice(["--x64", "--quick"]) + f"={n}"], "argument --"),
    }
    wrong, start = told[kind]
    if kind == "nothing":  # the flag after it, or the end
        return Bad((*flags, *few[:1], *wrong, *few[1:]), None, (start,))
    chooser.shuffle(wrong)
    return Bad(tuple(chooser.sample([*few, *wrong], len(few) + len(wrong))), None, (start,))


CATEGORIES = (
    wrong_type,
    not_finite,
    out_of_range,
    unknown_key,
    huge_grid,
    strange_key,
    strange_value,
    broken_toml,
    too_large,
    contradicting_flags,
)


@cache
def drawn(category):
    """Different inputs of a category, by file and by flags in turn."""
    chooser, found = random.Random(category.__name__), {}
    while len(found) < N_EACH:
        bad = category(chooser, len(found) % 2 == 0)
        found[bad] = None
    return list(found)


def status_of(argv):
    """The exit status, or what escaped."""
    try:
        return main(argv)
    except SystemExit as exit_:
        return exit_.code
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.__name__)
def test_a_bad_config_gets_one_line(category, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, bad in enumerate(drawn(category)):
        Path(CONFIG).unlink(missing_ok=True)
        if bad.text is not None:
            Path(CONFIG).write_bytes(bad.text + b"#" * bad.padding)
        before = sorted(tmp_path.rglob("*"))
        command = ("run", "plan")[number // 2 % 2]
        status = status_of([command, str(TOY), *bad.flags])
        out, err = capsys.readouterr()
        told = f"{command} with {bad} gave {status}, {out!r}, {err!r} and not {bad.told}"
        assert (status, out) == (2, ""), told
        assert err.startswith(tuple(f"rnnjax: {start}" for start in bad.told)), told
        assert err.endswith("\n") and err[:-1].isprintable() and len(err) < 700, told
        assert "Traceback" not in err, told
        assert sorted(tmp_path.rglob("*")) == before, told


def test_what_they_are_made_from_is_good(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    chooser = random.Random(0)
    for by_file in [False, True] * 20:
        flags, text = written(chooser, good(chooser).items(), by_file)
        Path(CONFIG).write_bytes(text or b"")
        assert status_of(["plan", str(TOY), *flags]) == 0, (flags, text)
        assert capsys.readouterr().err == ""


def test_there_are_two_thousand_and_every_key_is_attacked():
    inputs = [bad for category in CATEGORIES for bad in drawn(category)]
    assert len(set(inputs)) == len(inputs) == 2000
    assert sum(bad.text is not None for bad in inputs) >= 1000
    for by_file in (True, False):
        told = [t for bad in drawn(wrong_type) if (bad.flags == FILE) is by_file for t in bad.told]
        assert {t.removesuffix(": ") for t in told} == {"axes", *KEYS} - set(
            () if by_file else WORDS
        )
