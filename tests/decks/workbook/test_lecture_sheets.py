"""The sheets for reading and exercising: one pair, the chain of cycles, exercises, pages."""

import dataclasses
import functools
import re
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import openpyxl
import pytest

from rnnjax.decks.workbook import cycles, one_pair, rule_of, train, write_workbook
from rnnjax.decks.workbook.exercises import FIRST, exercises
from rnnjax.decks.workbook.layout import COLUMN, HELD_OUT, TRAINING, WEIGHTS, Rows, letter
from rnnjax.decks.workbook.parameters import as_params
from tests.decks.workbook.expected import (
    LOSS,
    columns_of,
    held_out_numbers,
    numbers,
    one_pair_numbers,
)
from tests.decks.workbook.office import computed, converted
from tests.decks.workbook.test_formulas import (
    CASES,
    SMALL,
    assert_is,
    differences,
    only,
    spoil,
)

ROWS = {"all": Rows(5, 27), "small": SMALL, "division_by_zero": SMALL}
ALONE = {"small": 1, "pair_3": 3, "no_delta_x": 1}  # the pair that a workbook shows
PRINTED = (("neto", 2), ("outo", 2), ("do", 2), ("dh", 4), ("di", 3))
BLOCKS = {  # a cycle in which one formula is broken, each in the same workbook
    "link": ("rnn+et", 1), "mean": ("rnn", 2), "ratio": ("rnn+et+dx", 3), "update": ("rnn", 5),
    "step": ("rnn+et", 4),
}  # fmt: skip
BROKEN = {  # a formula of that cycle, or of one pair, and what is replaced in it
    "link": (lambda b: f"{b.of_weight(WEIGHTS[0])}{b.weights}", "AE", "AF"),
    "mean": (lambda b: f"{b.of_weight(WEIGHTS[3])}{b.mean + 1}", "=2", "=3"),
    "ratio": (lambda b: f"{b.of_weight(WEIGHTS[5])}{b.scaled + 2}", "/", "*"),
    "update": (lambda b: f"{b.of_weight(WEIGHTS[7])}{b.total + 1}", "-", "+"),
    "step": (lambda b: f"{b.columns['do2']}{b.first + 1}", "(1-", "(2-"),
    "pair": (lambda _: f"C{one_pair.ROW['dh2']}", "$C$20", "$C$19"),
}


def place_of(name):
    """Sheet and address of a broken formula, what is replaced in it, and by what."""
    address, old, new = BROKEN[name]
    if name not in BLOCKS:
        return "one pair", address(None), old, new
    return "cycles", address(cycles.Block(*BLOCKS[name], SMALL)), old, new


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """The workbooks of this file, computed by one run of LibreOffice."""
    folder = tmp_path_factory.mktemp("lecture")
    paths = {name: folder / f"{name}.xlsx" for name in (*ROWS, *ALONE, "broken")}
    for name in ROWS:
        write_workbook(paths[name], *CASES[name])
    right = {f"C{FIRST + n}": value for n, value in enumerate(answers("small")) if n < 5}
    edit(paths["small"], paths["broken"], "exercises", right | {f"C{FIRST + 1}": 0.123})
    spoil(paths["broken"], paths["broken"], *map(place_of, BROKEN))
    few = folder / "few.xlsx"
    only(paths["small"], few, ("db", "parameter", "one pair"))
    edit(few, paths["pair_3"], "one pair", {one_pair.PAIR_CELL: 3})
    edit(few, paths["no_delta_x"], "one pair", {one_pair.DELTA_X_CELL: 0})
    return computed(list(paths.values()), folder), paths


def edit(source, target, sheet, values):
    book = openpyxl.load_workbook(source)
    for address, value in values.items():
        book[sheet][address] = value
    book.save(target)


def block_differences(cells, block, table, setting):
    """Compare a block with the rules of the library, from the weights that stand in the block."""
    weights = {w: cells.get(f"{block.of_weight(w)}{block.weights}") for w in WEIGHTS}
    if not all(isinstance(value, int | float) for value in weights.values()):
        return {"weights": weights}
    here = dataclasses.replace(setting, params=as_params(weights))
    columns = columns_of(block.way, table.batch(used=True), here)
    columns |= {f"out{k}": columns[f"outo{k}"] for k in (1, 2)}
    expected = {block.error_cell: columns["E"].sum() / block.rows.n_pairs}
    last = block.cycle == cycles.N_CYCLES
    for name, column in block.columns.items():
        if not last or name in ("t", "i3", "E") or name[0] == "h" or name[:3] == "out":
            values = np.ravel(columns[name])
            expected |= {f"{column}{block.first + n}": v for n, v in enumerate(values)}
    for n, weight in enumerate(WEIGHTS if not last else ()):
        column = block.of_weight(weight)
        for t in range(block.rows.n_steps):
            expected[f"{column}{block.mean + t}"] = columns["mean"][t, n]
            expected[f"{column}{block.scaled + t}"] = columns["scaled"][t, n]
        expected[f"{column}{block.total}"] = columns["total"][n]
        expected[f"{column}{block.total + 1}"] = columns["new"][n]
    return differences(cells, expected)


@pytest.mark.wide
@pytest.mark.parametrize("sheet", [*TRAINING, HELD_OUT])
def test_every_number_of_the_27_pairs_and_of_those_held_out(books, sheet):
    of_sheet = held_out_numbers if sheet == HELD_OUT else functools.partial(numbers, sheet)
    assert_is(books[0]["all"][sheet], of_sheet(*CASES["all"]))


@pytest.mark.wide
def test_all_sheets_in_order_with_81_pairs_of_which_27_are_computed(books):
    book = books[0]["all"]
    before, after = ["read me", "db", "parameter", "one pair"], ["exercises", "answers"]
    assert list(book) == [*before, *TRAINING, "cycles", "held out", *after]
    uses = [value for address, value in book["db"].items() if address[0] == "C"]
    assert uses.count("used") == 27 * 5 and uses.count("held out") == 54 * 5
    rows = Rows(5, 27)
    assert rows.last - rows.first + 1 == 135
    assert f"C{rows.last}" in book["rnn"] and f"C{rows.last + 1}" not in book["rnn"]


@pytest.mark.wide
def test_the_columns_and_the_band_of_the_slides(books):
    header = {v: a for a, v in books[0]["all"]["rnn"].items() if isinstance(v, str)}
    printed = [f"{name}{k}" for name, n in PRINTED for k in range(1, n + 1)]
    places = [header[name] for name in printed]
    columns = list(COLUMN)
    first = columns.index("neto1")
    assert columns[first : first + 13] == printed
    row = int("".join(c for c in places[0] if c.isdigit()))
    band = [books[0]["all"]["rnn"][f"{COLUMN[f'outo{k}']}{row - 1}"] for k in (1, 2)]
    assert band == ["o2", "o1"]


@pytest.mark.wide
@pytest.mark.parametrize("way", TRAINING)
@pytest.mark.parametrize("case", ["all", "small"])
def test_every_number_of_every_cycle(books, case, way):
    cells, (table, setting) = books[0][case]["cycles"], CASES[case]
    for n in range(cycles.N_CYCLES + 1):
        block = cycles.Block(way, n, ROWS[case])
        assert block_differences(cells, block, table, setting) == {}
        above = cycles.Block(way, n - 1, ROWS[case])
        for weight in WEIGHTS:
            found = cells[f"{block.of_weight(weight)}{block.weights}"]
            link = cells[f"{above.of_weight(weight)}{above.total + 1}"] if n else None
            assert found == (link if n else books[0][case]["parameter"][weight.cell])
        shown = cells[f"{letter(2 + TRAINING.index(way))}{cycles.TABLE + 1 + n}"]
        assert shown == cells[block.error_cell]


@pytest.mark.wide
def test_twenty_cycles_of_rnn_are_those_of_train(books):
    table, setting = CASES["all"]
    batch = table.batch(used=True)
    run = jax.jit(
        lambda p: train(
            setting.cell, LOSS, rule_of("rnn"), p, batch, eta=setting.eta, cycles=(0, 7, 20)
        )
    )
    weights = run(setting.params)
    for n, cycle in enumerate((0, 7, 20)):
        params = jax.tree.map(lambda a, n=n: a[n], weights)
        columns = columns_of("rnn", batch, dataclasses.replace(setting, params=params))
        found = books[0]["all"]["cycles"][f"B{cycles.TABLE + 1 + cycle}"]
        assert abs(found - columns["E"].sum() / 27) < 1e-10


@pytest.mark.wide
def test_the_first_cycle_of_the_chain_is_the_sheet_of_training(books):
    for way in TRAINING:
        cells = books[0]["all"]["cycles"]
        column = letter(2 + TRAINING.index(way))
        for row, cell in ((cycles.TABLE + 1, "B3"), (cycles.TABLE + 2, "B4")):
            assert abs(cells[f"{column}{row}"] - books[0]["all"][way][cell]) < 1e-12


@pytest.mark.wide
def test_after_a_ratio_by_zero_the_chain_shows_errors(books):
    cells = books[0]["division_by_zero"]["cycles"]
    assert cells[f"C{cycles.TABLE + 2}"] == cells[f"D{cycles.TABLE + 21}"] == "#DIV/0!"
    assert isinstance(cells[f"B{cycles.TABLE + 21}"], float)


@pytest.mark.wide
@pytest.mark.parametrize("case", ["small", "pair_3", "no_delta_x"])
def test_every_number_of_one_pair(books, case):
    table, setting = CASES["small"]
    index, exact = ALONE[case] - 1, case != "no_delta_x"
    pair = jax.tree.map(lambda a: a[index : index + 1], table.batch(used=True))
    expected, slope = one_pair_numbers(setting, pair, exact=exact)
    cells, total = books[0][case]["one pair"], letter(SMALL.n_steps + 2)
    at = {
        f"{letter(2 + t)}{one_pair.ROW[name]}": values[t]
        for name, values in expected.items() if name in one_pair.ROW
        for t in range(SMALL.n_steps)
    }  # fmt: skip
    assert len(at) == SMALL.n_steps * (18 + 8 + 4)
    at |= {f"{total}{one_pair.ROW[n]}": expected[n].sum() for n in ("E", "dw1,i3", "dc2")}
    assert differences(cells, at) == {}
    by_difference = cells[f"{total}{one_pair.SLOPE_ROW}"]
    assert abs(by_difference - slope) < 1e-5 * abs(slope)
    off = abs(cells[f"{total}{one_pair.ROW['dw1,i3']}"] - by_difference) / abs(by_difference)
    assert (off < 1e-5) == exact and (exact or off > 1e-3)
    assert cells["C4"] == "used"


def is_linked(cells, way, n):
    """Whether a cycle begins with the weights that the one before made."""
    block, above = cycles.Block(way, n, SMALL), cycles.Block(way, n - 1, SMALL)
    return all(
        cells[f"{block.of_weight(w)}{block.weights}"]
        == cells[f"{above.of_weight(w)}{above.total + 1}"] for w in WEIGHTS
    )  # fmt: skip


@pytest.mark.wide
@pytest.mark.parametrize("name", BROKEN)
def test_one_broken_formula_is_noticed(books, name):
    """In its own cycle, although others are broken: a cycle is compared from its own weights."""
    sheet, address, *_ = place_of(name)
    cells = books[0]["broken"][sheet]
    if sheet == "cycles":
        block = cycles.Block(*BLOCKS[name], SMALL)
        wrong = block_differences(cells, block, *CASES["small"])
        assert "weights" not in wrong
        assert bool(wrong) != (name == "link") and is_linked(cells, *BLOCKS[name]) == bool(wrong)
    else:
        there = books[0]["small"][sheet]
        assert cells[address] != there[address]


@pytest.mark.wide
def test_all_other_cycles_are_as_they_should_be(books):
    cells = books[0]["broken"]["cycles"]
    for way, n in {(way, n) for way in TRAINING for n in range(1, 7)} - set(BLOCKS.values()):
        block = cycles.Block(way, n, SMALL)
        assert is_linked(cells, way, n)
        assert block_differences(cells, block, *CASES["small"]) == {}


def answers(case):
    """The answers of the sheet, without its formulas; those of the chain left out."""
    table, setting = CASES[case]
    batch, p = table.batch(used=True), setting.params
    of = {way: columns_of(way, batch, setting) for way in TRAINING}
    rnn = of["rnn"]
    h, o = np.array([rnn[f"h{j}"][0, 0] for j in range(1, 5)]), rnn["outo2"][0, 0]
    loop = np.sum(np.asarray(p.V[1]) * h * (1 - h) * np.asarray(p.W[:, 2])) * o * (1 - o)
    return (
        rnn["outo1"][0, 0], rnn["new E"].sum() / rnn["E"].sum(),
        rnn["E"][:, 0].sum() / rnn["E"].sum(), np.sum(of["rnn+et"]["factor"] < 0), loop,
        of["rnn+et+dx"]["mean"][:, 2].sum() / rnn["mean"][:, 2].sum(),
    )  # fmt: skip


@pytest.mark.wide
@pytest.mark.parametrize("case", ["all", "small"])
def test_the_answers_are_those_of_the_library(books, case):
    cells = books[0][case]["answers"]
    for n, expected in enumerate(answers(case)):
        assert abs(cells[f"C{FIRST + n}"] - expected) < 1e-9 * max(1, abs(expected))
    errors = [books[0][case]["cycles"][f"D{cycles.TABLE + 1 + n}"] for n in range(21)]
    assert cells[f"C{FIRST + 6}"] == int(np.argmin(errors))
    assert cells[f"C{FIRST + 7}"] == 0 and len(exercises(ROWS[case])) == 8


@pytest.mark.wide
def test_without_weights_of_i3_nothing_goes_back():
    table, setting = CASES["small"]
    silent = dataclasses.replace(
        setting, params=setting.params._replace(W=setting.params.W.at[:, 2].set(0))
    )
    found = numbers("rnn+et+dx", table, silent)
    assert all(found[f"{COLUMN['dx']}{row}"] == 0 for row in range(SMALL.first, SMALL.last + 1))
    assert jnp.any(columns_of("rnn+et+dx", table.batch(used=True), setting)["dx"] != 0)


@pytest.mark.wide
def test_an_answer_is_compared(books):
    cells = books[0]["broken"]["exercises"]
    told = [cells.get(f"D{FIRST + n}") for n in range(8)]
    assert told == ["right", "look again", "right", "right", "right", None, None, None]


@pytest.mark.wide
def test_the_whole_prints_on_twelve_landscape_pages(books, tmp_path):
    path = converted([books[1]["all"]], tmp_path, "pdf") / "all.pdf"
    pages = re.findall(rb"/Type\s*/Page\b[^s]", path.read_bytes())
    assert 11 <= len(pages) <= 12
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", path.read_bytes())
    assert boxes and all(float(wide) > float(high) for wide, high in boxes)


def test_a_failed_conversion_is_seen(tmp_path, monkeypatch):
    done = subprocess.CompletedProcess([], 1, "", "no")
    monkeypatch.setattr("shutil.which", lambda _: "soffice")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: done)
    with pytest.raises(AssertionError, match="no"):
        converted([], tmp_path, "pdf")
