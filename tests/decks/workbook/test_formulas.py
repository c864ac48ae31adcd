"""Every number of the workbook, computed by LibreOffice, against rnnjax's own rules."""

import dataclasses
import re
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import openpyxl
import pytest

from rnnjax.decks import DataPairs, EligibilityRatio
from rnnjax.decks.workbook import Setting, Table, from_task, read_weights, write_workbook
from rnnjax.decks.workbook.layout import COLUMN, HELD_OUT, LABELS, TRAINING, WEIGHTS, Rows
from rnnjax.decks.workbook.parameters import entry, network
from rnnjax.rules import batch_gradient
from rnnjax.scaled import plain
from tests.decks.workbook.expected import LOSS, RULES, held_out_numbers, numbers
from tests.decks.workbook.office import computed
from tests.discovery import Found

pytestmark = pytest.mark.wide  # LibreOffice computes the workbooks

TOLERANCE = 1e-9
SMALL = Rows(n_steps=4, n_pairs=3)


def small_table(n_steps=4, n_held_out=1):
    rng = np.random.default_rng(1)
    n_pairs = 3 + n_held_out
    x = rng.uniform(0.1, 0.9, (n_pairs, n_steps, 2))
    x[..., 0] = x[:, :1, 0]
    y = rng.uniform(0.1, 0.9, (n_pairs, n_steps, 2))
    return Table(x, y, np.arange(n_pairs) < 3)


def setting(seed=0, **fields):
    params = jax.jit(network(spread=1.5).init)(jax.random.key(seed))
    biases = {"b": jnp.linspace(-0.3, 0.4, 4), "c": jnp.array([0.2, -0.1])}
    return Setting(params._replace(**biases), **fields)


def silent_input():
    """The second input is 0 at the first step, so that dw of its weights is exactly 0 there."""
    table = small_table()
    x = table.x.copy()
    x[:, 0, 1] = 0
    return dataclasses.replace(table, x=x)


CASES = Found(
    {
        "all": partial(lambda: (from_task(DataPairs()), setting())),
        "small": partial(lambda: (small_table(), setting(1, eta=0.7, start=0.35))),
        "two_steps": partial(lambda: (small_table(n_steps=2, n_held_out=0), setting(2))),
        "division_by_zero": partial(lambda: (silent_input(), setting(4))),
    }
)
FEW_PAIRS = [name for name in CASES if name != "all"]  # `test_lecture_sheets` has that one
edited = cache(partial(setting, 5, eta=0.9, start=0.2))
# Sheet, column, what to replace in the formula at the second step of the first pair, and by what.
BROKEN = {
    "slope": ("rnn", "do1", "(1-", "(2-"),
    "target": ("rnn", "do2", "-G", "-F"),
    "recurrence": ("rnn+et", "i3", "=S", "=R"),
    "transpose": ("rnn+et+dx", "di3", "$D$14", "$C$14"),
    "delta_x": ("rnn+et+dx", "dx", "=AB", "=AA"),
    "bias": ("rnn", "db3", "=X", "=W"),
    "row_of_weight": ("rnn", "net2", "$B$14", "$B$15"),
    "after": ("rnn+et", "new out2", "$B$20", "$B$19"),
}
BROKEN_ON_TOP = {
    "mean": ("rnn", f"{COLUMN['dw2,i1']}{SMALL.mean + 1}", ",2,", ",3,"),
    "factor": ("rnn+et", f"{COLUMN['dv1,h2']}{SMALL.multiplier + 2}", str(SMALL.mean), "8"),
    "update": ("rnn+et+dx", f"{COLUMN['dc1']}{SMALL.total + 2}", "-parameter", "+parameter"),
    "error": ("rnn", "B3", "/3", "/4"),
}


# Sheets of training read no other one, so that one workbook may have a broken formula in each.
SPOILT = {
    name: (sheet, f"{COLUMN[column]}{SMALL.first + 1}", old, new)
    for name, (sheet, column, old, new) in BROKEN.items()
} | BROKEN_ON_TOP
FILE_OF = {
    name: f"broken_{[n for n in SPOILT if SPOILT[n][0] == sheet].index(name)}"
    for name, (sheet, *_) in SPOILT.items()
}


def only(source, target, sheets):
    """Keep the sheets that others are compared with, so that there is less to compute."""
    book = openpyxl.load_workbook(source)
    for name in set(book.sheetnames) - set(sheets):
        del book[name]
    book.save(target)


def spoil(source, target, *places):
    book = openpyxl.load_workbook(source)
    for sheet, address, old, new in places:
        cell = book[sheet][address]
        assert old in cell.value, cell.value
        cell.value = cell.value.replace(old, new, 1)
    book.save(target)


def edit_parameters(source, target):
    """Overwrite the yellow cells, as a reader would."""
    book = openpyxl.load_workbook(source)
    sheet = book["parameter"]
    sheet["B3"], sheet["B4"] = edited().eta, edited().start
    for weight in WEIGHTS:
        sheet[weight.cell] = entry(edited().params, weight)
    book.save(target)


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """All workbooks of this file, computed by one run of LibreOffice."""
    folder = tmp_path_factory.mktemp("workbooks")
    paths = {name: folder / f"{name}.xlsx" for name in FEW_PAIRS}
    for name in FEW_PAIRS:
        write_workbook(paths[name], *CASES[name])
    few = folder / "few.xlsx"
    only(paths["small"], few, ("db", "parameter", *TRAINING))
    for file in sorted(set(FILE_OF.values())):
        paths[file] = folder / f"{file}.xlsx"
        spoil(few, paths[file], *(SPOILT[n] for n in SPOILT if FILE_OF[n] == file))
    paths["edited"] = folder / "edited.xlsx"
    edit_parameters(few, paths["edited"])
    return computed(list(paths.values()), folder), folder


def differences(cells, expected):
    """Return {address: (found, expected)} where they differ; an error must be where JAX has one."""
    wrong = {}
    for address, value in expected.items():
        found = cells.get(address)
        if not np.isfinite(value):
            right = isinstance(found, str) and found.startswith("#")
        else:
            right = isinstance(found, int | float) and abs(found - value) <= TOLERANCE * max(
                1e-3, abs(value)
            )
        if not right:
            wrong[address] = (found, float(value))
    return wrong


def numeric(cells):
    return {a for a, value in cells.items() if isinstance(value, int | float)}


def assert_is(cells, expected):
    """Compare all numbers of a sheet."""
    assert differences(cells, expected) == {}
    assert numeric(cells) <= set(expected)  # no number was left out of the comparison
    finite = sum(np.isfinite(v) for v in expected.values())
    assert len(numeric(cells)) == finite


@pytest.mark.parametrize("sheet", TRAINING)
@pytest.mark.parametrize("case", FEW_PAIRS)
def test_every_number_of_a_sheet_of_training(books, case, sheet):
    assert_is(books[0][case][sheet], numbers(sheet, *CASES[case]))


@pytest.mark.parametrize("case", ["small", "division_by_zero"])
def test_every_number_of_the_sheet_of_held_out_pairs(books, case):
    assert_is(books[0][case][HELD_OUT], held_out_numbers(*CASES[case]))


def test_without_held_out_pairs_there_is_no_sheet_of_them(books):
    assert HELD_OUT in books[0]["small"]
    assert HELD_OUT not in books[0]["two_steps"]


@pytest.mark.parametrize("sheet", TRAINING)
def test_a_changed_weight_start_or_eta_is_computed_anew(books, sheet):
    expected = numbers(sheet, CASES["small"][0], edited())
    assert differences(books[0]["edited"][sheet], expected) == {}
    assert differences(books[0]["small"][sheet], expected) != {}


@pytest.mark.parametrize("sheet", TRAINING)
def test_the_new_weights_are_read_as_the_next_first_set(books, sheet):
    path = books[1] / "computed" / "small.xlsx"
    found, expected = read_weights(path, sheet), numbers(sheet, *CASES["small"])
    for weight in WEIGHTS:
        assert abs(entry(found, weight) - expected[weight.cell]) < 1e-12


def test_sheets_of_training_read_no_other_one(books):
    book = openpyxl.load_workbook(books[1] / "few.xlsx")
    for sheet in TRAINING:
        text = " ".join(str(cell.value) for row in book[sheet] for cell in row)
        assert set(re.findall(r"'([^']+)'!|(\w+)!", text)) == {("", "parameter"), ("", "db")}


@pytest.mark.parametrize("name", SPOILT)
def test_one_broken_formula_is_noticed(books, name):
    sheet = SPOILT[name][0]
    wrong = differences(books[0][FILE_OF[name]][sheet], numbers(sheet, *CASES["small"]))
    assert wrong
    assert max(abs(found - value) for found, value in wrong.values()) > 1e4 * TOLERANCE


def test_a_ratio_by_zero_is_an_error_where_jax_has_no_number(books):
    cells = books[0]["division_by_zero"]["rnn+et"]
    rows = Rows(4, 3)
    column = COLUMN["dw1,i2"]
    assert cells[f"{column}{rows.mean}"] == 0
    assert cells[f"{column}{rows.multiplier + 2}"] == "#DIV/0!"
    assert isinstance(cells[f"{COLUMN['dw1,i1']}{rows.multiplier + 2}"], float)
    assert isinstance(books[0]["division_by_zero"]["rnn"]["B4"], float)


def test_the_read_me_shows_the_errors_of_all_sheets(books):
    book = books[0]["small"]
    told = book["read me"]
    rows = {value: address[1:] for address, value in told.items() if address[0] == "A"}
    for sheet in TRAINING:
        assert told[f"B{rows[sheet]}"] == book[sheet]["B3"]
        assert told[f"C{rows[sheet]}"] == book[sheet]["B4"]
    assert told[f"B{rows['held out']}"] == book["held out"]["B3"]


@pytest.mark.wide
@pytest.mark.parametrize("sheet", ["rnn+et", "rnn+et+dx"])
def test_the_rule_of_the_library_scales_as_the_sheet_does(sheet):
    table, start = CASES["small"]
    rule, batch = EligibilityRatio(rule=RULES[sheet]), table.batch(used=True)

    def gradient(params):
        out = batch_gradient(rule, start.cell, LOSS, params, batch, (), per_step=True)
        return plain(out.grads)

    found = jax.jit(gradient)(start.params)
    expected = numbers(sheet, table, start)
    for weight in WEIGHTS:
        place = (weight.to - 1, weight.source - 1) if weight.source else (weight.to - 1,)
        for t in range(SMALL.n_steps):
            dw = float(getattr(found, weight.matrix)[(t, *place)])
            cell = f"{COLUMN[f'd{weight.name}']}{SMALL.scaled + t}"
            assert abs(dw - expected[cell]) <= 1e-10 * max(1e-3, abs(dw))


def test_labels_stand_left_of_what_they_name(books):
    cells, rows = books[0]["small"]["rnn+et"], SMALL
    assert cells[f"{COLUMN[LABELS]}{rows.mean}"] == "mean dw, t=1"
    assert cells[f"{COLUMN[LABELS]}{rows.scaled + 3}"] == "scaled dw, t=4"
    assert cells[f"{COLUMN['dv2,h4']}{rows.mean - 1}"] == "v2,h4"
