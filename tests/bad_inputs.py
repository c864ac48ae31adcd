"""Bad configs of the toy experiment, generated: the inputs of test_bad_configs.py.

Every input is a good config with one thing made wrong, so how its line must begin is known from how
it was made and not from the code under test. A category is a function that draws one such input;
half of them all are TOML files, half are flags.
"""

import random
import string
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple, get_args, get_origin

from annotated_types import Ge, Gt, Le

from rnnjax.catalog import activation_names
from rnnjax.sweep.config import model_of
from rnnjax.sweep.experiment import load

TOY = Path(__file__).parent / "sweep" / "toy_experiment.py"
CONFIG = "config.toml"
FILE = ("--config", CONFIG)
NAMES = activation_names()
N_EACH = 200


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
        text = (self.text or b"")[:1500]
        return f"flags {[flag[:300] for flag in self.flags]}, file {text} + {self.padding} bytes"


def keys_of(setting):
    """Every key of a config, with the axes that each cube has in the place of their fields."""
    found = {}
    for name, field in model_of(setting).model_fields.items():
        if name == "axes":
            continue
        kind, marks = field.annotation, field.metadata
        if get_origin(kind) is Annotated:
            kind, *marks = get_args(kind)
        is_axis = name in setting.axes
        found[f"axes.{name}" if is_axis else name] = Key(kind, is_axis, marks)
    return found


KEYS = keys_of(load(str(TOY)).setting)
AXES = [name for name, key in KEYS.items() if key.is_axis]
NUMBERS = [name for name, key in KEYS.items() if key.kind in (int, float)]
# As a flag, any text is good for such a key.
WORDS = [name for name, key in KEYS.items() if key.kind is str and not key.is_axis]


def a_good_value(chooser, key):
    if not key.is_axis:
        single = {int: range(1, 99), float: range(-9, 9), bool: ["true", "false"], str: ['"word"']}
        return str(chooser.choice(single[key.kind]))
    several = {int: range(99), float: [n / 8 for n in range(1, 99)], str: NAMES}
    return listed(chooser.sample(several[key.kind], chooser.randint(1, 4)))


def listed(values):
    return str(list(values)).replace("'", '"')


def good(chooser):
    """The TOML of a value for every axis and some other keys."""
    chosen = {name: key for name, key in KEYS.items() if key.is_axis or chooser.random() < 0.5}
    return {name: a_good_value(chooser, key) for name, key in chosen.items()}


def written(chooser, values, by_file):
    """The flags and the file that give keys these values."""
    pairs = chooser.sample(list(values.items()), len(values))
    if by_file:
        return FILE, "".join(f"{key} = {text}\n" for key, text in pairs).encode()
    flags = []
    for key, text in pairs:
        option = "--" + key.replace("_", chooser.choice("-_"))
        flags += [option, text] if chooser.random() < 0.3 else [f"{option}={text}"]
    return tuple(flags), None


def spoilt(chooser, wrong, by_file, *told):
    """A good config with these keys made wrong; the first of them is told unless said otherwise."""
    kept = 1 if by_file else 0.3  # flags are laid over the file beside the experiment
    values = {key: text for key, text in good(chooser).items() if chooser.random() < kept}
    for key in wrong:  # it may hold another key, or lie below one
        for other in list(values):
            if f"{other}.".startswith(f"{key}.") or f"{key}.".startswith(f"{other}."):
                del values[other]
    flags, text = written(chooser, values | wrong, by_file)
    return Bad(flags, text, told or (f"{next(iter(wrong))}: ",))


def a_key(chooser, by_file):
    return chooser.choice([name for name in KEYS if by_file or name not in WORDS])


def perhaps_listed(chooser, key, text):
    """A value of an axis, alone or at the end of a list of good ones."""
    if key.is_axis and chooser.random() < 0.5:
        return f"[{a_good_value(chooser, key)[1:-1]}, {text}]"
    return text


def wrong_type(chooser, by_file):
    n = chooser.randrange(1000, 9999)
    whole, fraction, text, switch = f"{n}", f"{n}.5", f'"w{n}"', "true"
    dates = [f"{n}-05-27", f"07:32:00.{n}"]
    every = {whole, fraction, text, switch, *dates, f"{{a = {n}}}", f"[[{n}], []]", "[]"}
    fits = {int: [whole], float: [whole, fraction], bool: [switch], str: [text]}
    if chooser.random() < 0.05:
        return spoilt(chooser, {"axes": chooser.choice([whole, text, switch])}, by_file)
    key = KEYS[name := a_key(chooser, by_file)]
    fitting = [] if key.is_axis and key.kind is str else fits[key.kind]  # no text here is a name
    wrong = chooser.choice(sorted(every.difference(fitting)))
    return spoilt(chooser, {name: perhaps_listed(chooser, key, wrong)}, by_file)


def not_finite(chooser, by_file):
    key = KEYS[name := a_key(chooser, by_file)]
    n = chooser.randrange(400, 9999)
    text = chooser.choice(["nan", "+nan", "inf", "-inf", f"1e{n}", f"-1e+{n}", f"{n}.0e{n}"])
    # The last two have finite ends, but not their difference, and no float for an end.
    calls = [f"{call}({text}, {n}, {n})" for call in ("lin", "log", "intlog")]
    calls += ["lin(-1e308, 1e308, 3)", f"lin(0, {'9' * n}, 3)"]
    if key.is_axis and chooser.random() < 0.4:
        return spoilt(chooser, {name: f'"{chooser.choice(calls)}"'}, by_file)
    return spoilt(chooser, {name: perhaps_listed(chooser, key, text)}, by_file)


def ends_beside(key):
    """The largest integer below the range of a key and the smallest one above it, or None."""
    below = [m.gt if isinstance(m, Gt) else m.ge - 1 for m in key.marks if isinstance(m, Gt | Ge)]
    above = [mark.le + 1 for mark in key.marks if isinstance(mark, Le)]
    of_32_bits = {int: (-(2**31) - 1, 2**31), float: (None, 10**39)}
    lowest, highest = of_32_bits[key.kind] if key.is_axis else (None, None)
    return (*below, lowest)[0], (*above, highest)[0]


def out_of_range(chooser, by_file):
    name = chooser.choice([name for name in NUMBERS if ends_beside(KEYS[name]) != (None, None)])
    below, above = ends_beside(KEYS[name])
    n = chooser.randrange(9) * 10 ** chooser.choice([0, 1, 3, 6, 12])
    under = above is None or (below is not None and chooser.random() < 0.7)
    number = below - n if under else above + n
    text = f"{float(number)}" if KEYS[name].kind is float and n % 2 else f"{number}"
    return spoilt(chooser, {name: perhaps_listed(chooser, KEYS[name], text)}, by_file)


def misspelt(chooser, word):
    at, letter = chooser.randrange(len(word)), chooser.choice(string.ascii_lowercase)
    start, one, end = word[:at], word[at], word[at + 1 :]
    swapped = start + end[:1] + one + end[1:]
    ways = [start + letter + one + end, start + letter + end, start + end, swapped]
    return chooser.choice([*ways, start + one.upper() + end, f"{word}_{letter}"]).strip("_")


def unknown_key(chooser, by_file):
    name = chooser.choice([*KEYS, "axes"])
    table, dot, last = name.rpartition(".")
    wrong = table + dot + misspelt(chooser, last)
    if wrong in (*KEYS, "axes"):
        return unknown_key(chooser, by_file)
    text, kind = a_good_value(chooser, KEYS[chooser.choice(AXES)]), chooser.randrange(4)
    if kind == 0:  # a table of that name
        below = f"{wrong}.{last}"  # below axes it is an axis of that name, along which it varies
        return spoilt(chooser, {below: text}, by_file, f"{wrong}: ", f"{below}: ")
    if kind == 1 and name != "axes":  # a table where a value belongs
        below = f"{name}.{misspelt(chooser, last)}"
        return spoilt(chooser, {below: text}, by_file, f"{name}: ", f"{below}: ")
    return spoilt(chooser, {wrong: text}, by_file)


def huge_grid(chooser, by_file):
    """Far beyond 10**8 cells, 10**9 values or 50,000 groups."""
    kinds = ["count", "cells", "values", "groups", "trillion"]
    kind = chooser.choices(kinds, [60, 20, 20, 20, 1])[0]
    n, m = (chooser.randrange(30_000, 40_000) + (kind == "trillion") * 950_000 for _ in range(2))
    if kind == "count":
        name = chooser.choice([name for name in AXES if name in NUMBERS])
        count = chooser.randrange(10**9, 10 ** chooser.randrange(10, 30))
        call = chooser.choice(["range(", "lin(1, 9, ", "log(1, 9, ", "intlog(1, 9, "])
        return spoilt(chooser, {name: f'"{call}{count})"'}, by_file)
    grid = {"axes.activation": listed(NAMES), "axes.seed": f'"range({n})"'}
    if kind == "groups":
        return spoilt(chooser, {"chunks_a_shard": "1", "chunk": "1"} | grid, by_file)
    if kind == "values":
        return spoilt(chooser, grid | {"length": f"{10**6 - m}", "chunk": "999"}, by_file, "axes: ")
    gains = f'"lin(0.5, {chooser.uniform(2, 3)}, {m})"'
    return spoilt(chooser, grid | {"axes.gain": gains}, by_file, "axes: ")


# Controls, marks without width or to the left, letters that look like others, what shells expand.
STRANGE = [*"\0\a\b\t\n\r\x0b\x1b\x7f\x85\xa0\u200b\u202e\u2028\ufeff\ufffe\U000e0001"]
STRANGE += [*"éßİ日ｎсο\u0301😀$`%;|&<>{}\\'*?!~", "\x1b[2J", "\r\n", "%s", "{0}", "$(id)", "../"]
DIGITS = ["٣", "１", "४", "²", "Ⅷ", "𝟗", "1\u200b2", "−3", "1٫5"]


def strange_text(chooser, word):
    text = [*word]
    for piece in chooser.choices(STRANGE, k=chooser.randint(1, 4)):
        text.insert(chooser.randint(0, len(text)), piece)
    return "".join(text)


def quoted(chooser, text):
    """`text` as TOML; all of it is escaped, or only what has to be."""
    kept = [] if chooser.random() < 0.5 else [c for c in text if c.isprintable() and c not in '"\\']
    return '"' + "".join(c if c in kept else f"\\U{ord(c):08x}" for c in text) + '"'


def strange_key(chooser, by_file):
    table, dot, last = chooser.choice([*KEYS, "axes"]).rpartition(".")
    if not by_file and chooser.random() < 0.05:
        flags, _ = written(chooser, good(chooser), False)
        return Bad((*flags, f"--{last}\udc80=1"), None, ("usage: ",))
    key = strange_text(chooser, last)
    key = key if by_file else key.replace(".", "")
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in table + dot + key)
    wrong = table + dot + (quoted(chooser, key) if by_file else key)
    return spoilt(chooser, {wrong: "1"}, by_file, f"{shown}: unknown key")


def strange_value(chooser, by_file):
    name = a_key(chooser, False)
    text = strange_text(chooser, f"w{chooser.randrange(100)}")
    if name in NUMBERS and chooser.random() < 0.4:
        text = "".join(chooser.choices(DIGITS, k=chooser.randint(1, 3)))
    if by_file or chooser.random() < 0.3:
        text = perhaps_listed(chooser, KEYS[name], quoted(chooser, text))
    return spoilt(chooser, {name: text}, by_file)


def broken_toml(chooser, by_file):
    """A file with damage that Python's own reader of TOML sees."""
    given = [TOY.with_suffix(end).read_bytes() for end in (".toml", ".quick.toml")]
    text = chooser.choice([*given, *[written(chooser, good(chooser), True)[1]] * 4])
    cut = chooser.random() < 0.3
    if cut:
        text = text[: chooser.randrange(len(text))]
        text = text.decode().encode("utf-16") if chooser.random() < 0.1 else text
    for _ in range(0 if cut else chooser.randint(1, 3)):
        at, piece = chooser.randrange(len(text)), chooser.choice([*'\0="[}\r\n', "'''"]).encode()
        piece = chooser.choice([piece, b"\xff", b"\xc3", b"", piece + text[at : at + 1]])
        text = text[:at] + piece + text[at + 1 :]
    try:
        tomllib.loads(text.decode())
    except ValueError:
        told = (f"{CONFIG}: expected TOML, got ", f"{CONFIG}: expected TOML in UTF-8, got byte ")
        return Bad(FILE, text, told)
    return broken_toml(chooser, by_file)


def too_large(chooser, by_file):
    """Files of ten megabytes and files that cannot be read; values too deep or too long."""
    n, name = chooser.randrange(1, 1000), chooser.choice(["n_h", "axes.seed"])
    kind = chooser.choice(["file", "lists", "tables", "dots", "digits", "letters"])
    if kind == "file" and by_file:
        text = written(chooser, good(chooser), True)[1] + b"#"
        size = chooser.choice([10_000_000, 1_000_000]) + n
        return Bad(FILE, text, (f"{CONFIG}: expected at most ",), size - len(text))
    if kind == "file":
        names = [f"no{n}.toml", f"{CONFIG}/{n}", "." + "/." * n, f"\0{n}", "f" * 999]
        flags, _ = written(chooser, good(chooser), False)
        return Bad((*flags, f"--config={chooser.choice(names)}"), b"", ("config: ",))
    deep = chooser.choice([1 + n % 149, 10 * n])
    digits = chooser.choice(["9", "0x"]) + "1" * (100 + 10 * deep)
    lists, tables = "[" * (deep + 2) + "]" * (deep + 2), "{a = " * deep + "1" + "}" * deep
    texts = {"lists": lists, "tables": tables, "digits": digits, "letters": f'"{"w" * 9 * n}"'}
    # Where Python stops reading a file, it is the file that is refused.
    whole = (f"{CONFIG}: ",) if by_file and deep >= 150 and kind != "letters" else ()
    if kind == "dots":
        key = f"more{'.x' * min(deep, 3000)}"
        return spoilt(chooser, {key: "1"}, by_file, "more: ", *whole)
    return spoilt(chooser, {name: texts[kind]}, by_file, f"{name}: ", *whole)


def contradicting_flags(chooser, by_file):
    n, name = chooser.randrange(1000), chooser.choice(list(KEYS))
    option = f"--{name.replace('_', chooser.choice('-_'))}"
    value = f"--{name}={a_good_value(chooser, KEYS[name])}"
    number = chooser.choice([-n, 257 + n, n + 0.5, f"{n}x"])
    wrong, told = chooser.choice(
        [
            ([value.replace(f"--{name}", option), value], f"{name}: expected one value"),
            ([f"{option}.x{n}=1", value], f"{name}.x{n}: expected {name.split('.')[-1]} to be"),
            ([option], f"{name}: expected a value after {option}"),
            ([f"--config=f{n}.toml", "--quick"], "config: expected --config or --quick"),
            ([f"--devices={number}"], "argument --devices: expected a whole number"),
            ([f"stray{n}"], f"unrecognized arguments: stray{n}"),
            ([f"--x64={n}"], "argument --x64: "),
        ]
    )
    others = [f"--{key}={text}" for key, text in good(chooser).items() if key != name]
    flags = [*wrong, *[other for other in others if chooser.random() < 0.4]]
    return Bad(tuple(chooser.sample(flags, len(flags))), None, (told,))


CATEGORIES = [wrong_type, not_finite, out_of_range, unknown_key, huge_grid, strange_key]
CATEGORIES += [strange_value, broken_toml, too_large, contradicting_flags]


@cache
def drawn(category):
    """Different inputs of a category, by file and by flags in turn."""
    chooser, found = random.Random(category.__name__), {}
    while len(found) < N_EACH:
        found[category(chooser, len(found) % 2 == 0)] = None
    return list(found)
