"""What the workbook says and shows beside its numbers: notes, checks of inputs, pages, pictures."""

import io

import openpyxl
import pytest
from PIL import Image

from rnnjax.decks.workbook import cycles, one_pair, write_workbook
from rnnjax.decks.workbook.layout import (
    DB_COLUMNS,
    ETA_CELL,
    START_CELL,
    TRAINING,
    WEIGHTS,
    letter,
)
from rnnjax.decks.workbook.picture import unrolled_network
from tests.decks.workbook.test_formulas import CASES


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    path = tmp_path_factory.mktemp("looks") / "small.xlsx"
    write_workbook(path, *CASES["small"])
    return openpyxl.load_workbook(path)


def checks(sheet):
    """{cell: (kind, least or list, most)} of all checked cells."""
    found = {}
    for check in sheet.data_validations.dataValidation:
        for cells in check.sqref.ranges:
            for row in sheet[cells.coord] if ":" in cells.coord else ((sheet[cells.coord],),):
                for cell in row:
                    found[cell.coordinate] = (check.type, check.formula1, check.formula2)
    return found


def test_every_input_is_checked(book):
    parameter = checks(book["parameter"])
    assert set(parameter) == {ETA_CELL, START_CELL, *(w.cell for w in WEIGHTS)}
    assert parameter[ETA_CELL] == ("decimal", "0", "1000")
    db, last = checks(book["db"]), 1 + 4 * 4
    assert set(db) == {f"{column}{row}" for column in "CDEFG" for row in range(2, last + 1)}
    assert db["C2"][:2] == ("list", '"used,held out"') and db["D2"][0] == "decimal"
    pair = checks(book["one pair"])
    assert pair[one_pair.PAIR_CELL] == ("whole", "1", "4")
    assert pair[one_pair.DELTA_X_CELL][:2] == ("list", '"0,1"')


def test_inputs_are_yellow_and_nothing_else(book):
    yellow = {
        (sheet.title, cell.coordinate)
        for sheet in book for row in sheet for cell in row if cell.fill.fgColor.rgb == "00FFF2CC"
    }  # fmt: skip
    expected = {
        (name, cell) for name in ("parameter", "db", "one pair") for cell in checks(book[name])
    }
    answers = {("exercises", f"C{row}") for row in range(6, 14)}
    legend = {c for c in yellow if c[0] == "read me"}
    assert yellow - legend == expected | answers and len(legend) == 1


def test_notes_stand_on_inputs_and_on_the_names_of_columns(book):
    noted = {s.title: {c.coordinate for row in s for c in row if c.comment} for s in book}
    assert {ETA_CELL, START_CELL, "A12", "A18"} <= noted["parameter"]
    assert noted["db"] == {f"{letter(n)}1" for n in range(1, len(DB_COLUMNS) + 1)}
    assert {one_pair.PAIR_CELL, one_pair.DELTA_X_CELL} == noted["one pair"]
    for sheet in TRAINING:
        assert len(noted[sheet]) >= 12
        for address in noted[sheet]:
            assert address.endswith("6") and book[sheet][address].value


def test_headers_stay_in_sight(book):
    frozen = {sheet.title: sheet.freeze_panes for sheet in book}
    assert frozen.pop("read me") is None and all(frozen.values())
    for sheet in TRAINING:
        assert frozen[sheet] == "C7"
        assert [book[sheet].cell(6, n).value for n in (1, 2, 3)] == ["pair", "t", "i1"]


def test_every_sheet_prints_on_landscape_pages(book):
    for sheet in book:
        assert sheet.print_area and sheet.page_setup.orientation == "landscape"
        assert sheet.page_setup.fitToWidth == 1 and sheet.sheet_properties.pageSetUpPr.fitToPage
    assert sum(len(str(sheet.print_area).split(",")) for sheet in book) == 12


def test_the_picture_of_the_network_stands_on_the_first_sheet(book):
    (image,) = book.worksheets[0]._images
    written = unrolled_network()
    assert written == unrolled_network() and image._data() == written
    assert Image.open(io.BytesIO(written)).size == (1152, 528)


def test_the_chart_shows_the_table(book):
    (chart,) = book["cycles"]._charts
    first, last = cycles.TABLE + 1, cycles.TABLE + 1 + cycles.N_CYCLES
    refs = [series.yVal.numRef.f for series in chart.series]
    assert refs == [f"'cycles'!${c}${first}:${c}${last}" for c in "BCD"]
    assert {series.xVal.numRef.f for series in chart.series} == {f"'cycles'!$A${first}:$A${last}"}
    assert [series.tx.v for series in chart.series] == [*TRAINING]
    assert chart.y_axis.scaling.logBase == 10


def test_the_rows_of_a_cycle_are_closed(book):
    sheet, (table, _) = book["cycles"], CASES["small"]
    block = cycles.Block("rnn", 1, cycles.Rows(table.n_steps, 3))
    assert sheet.row_dimensions[block.first].hidden and not sheet.row_dimensions[block.top].hidden
    assert sheet.row_dimensions[block.top + 1].outlineLevel == 1
    assert sheet[f"A{block.top}"].value == "rnn, after 1 cycles"


def test_the_read_me_names_every_sheet(book):
    told = {row[0].value: row[1].value for row in book["read me"].iter_rows(max_col=2)}
    for sheet in book.sheetnames[1:]:
        assert told[sheet]
    longest = max(
        len(str(c.value)) for row in book["read me"].iter_rows(max_row=19) for c in row if c.value
    )
    assert longest <= 90  # as far as the picture
