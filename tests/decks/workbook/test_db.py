"""The sheets db and parameter: written, edited, read again; every wrong cell named in one line."""

import sys
import zipfile

import jax
import numpy as np
import openpyxl
import pytest

from rnnjax.cli import main
from rnnjax.decks import DataPairs
from rnnjax.decks.workbook import (
    Setting,
    from_task,
    network,
    read_table,
    read_weights,
    write_workbook,
)
from rnnjax.errors import ConfigError


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A workbook with weights of seed 3, by the command line."""
    path = tmp_path_factory.mktemp("workbook") / "written.xlsx"
    assert main(["workbook", str(path), "--seed", "3", "--eta", "0.5"]) == 0
    return path


@pytest.fixture
def edited(tmp_path):
    """Write a small sheet db, two pairs of three steps, changed by a test."""

    def write(change, sheet="db"):
        book = openpyxl.Workbook()
        book.active.title = sheet
        book.active.append(["pair", "t", "use", "i1", "i2", "O1", "O2"])
        for pair, use in ((1, "used"), (2, "held out")):
            for t in (1, 2, 3):
                book.active.append([pair, t, use, 0.1 * pair, 0.2 * t, 0.3, 0.4])
        change(book.active)
        path = tmp_path / "edited.xlsx"
        book.save(path)
        return path

    return write


@pytest.fixture(scope="module")
def table(written):
    return read_table(written)


def test_the_pairs_come_back_as_they_were_written(table):
    expected = from_task(DataPairs())
    np.testing.assert_allclose(table.x, expected.x, rtol=1e-15)
    np.testing.assert_allclose(table.y, expected.y, rtol=1e-15)
    assert (table.used == expected.used).all() and table.used.sum() == 27


def test_the_weights_are_those_of_the_cell_and_come_back(written):
    params = jax.jit(network(spread=1.0).init)(jax.random.key(3))
    for found, expected in zip(read_weights(written), params, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    sheet = openpyxl.load_workbook(written, read_only=True)["parameter"]
    assert (sheet["B3"].value, sheet["B4"].value) == (0.5, 0.1)


def test_what_a_reader_changed_is_read(edited):
    def change(sheet):
        sheet["F3"] = 7
        sheet["C5"] = sheet["C6"] = sheet["C7"] = "used"

    table = read_table(edited(change))
    assert table.x.shape == (2, 3, 2)
    assert table.y[0, 1].tolist() == [0.4, 7.0]  # O2 first: what is fed back is the last
    assert table.used.all()


def test_a_batch_holds_the_pairs_of_the_task(table):
    task = DataPairs()
    for used, expected in ((True, task.training()), (False, task.held_out())):
        found = table.batch(used=used)
        for values, leaf in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
            np.testing.assert_allclose(values, leaf, rtol=1e-14)


def put(address, value):
    return lambda sheet: sheet.__setitem__(address, value)


def move_rows(sheet):
    for row in (2, 3, 4):
        sheet.append([1, row - 1, "used", 0.1, 0.2, 0.3, 0.4])


def many_pairs(sheet):
    """300 more pairs of 3 steps: a workbook that would be too large to be read again."""
    for row in range(900):
        sheet.append([3 + row // 3, 1 + row % 3, "used", 0.1, 0.2, 0.3, 0.4])


WRONG = [
    (put("E3", "abc"), "db!E3: expected a number, got 'abc'"),
    (put("E3", None), "db!E3: expected a number, got an empty cell"),
    (put("G7", "#NUM!"), "db!G7: expected a number, got '#NUM!'"),  # a NaN of a spreadsheet
    (put("G7", "nan"), "db!G7: expected a number, got 'nan'"),
    (put("F2", True), "db!F2: expected a number, got True"),
    (put("F2", "=1+1"), "db!F2: expected a number, got an empty cell"),
    (put("D3", 0.11), "db!D3: expected i1 fixed for all time, 0.1 in pair 1, got 0.11"),
    (put("C3", "held out"), "db!C3: expected one use, 'used' in pair 1, got 'held out'"),
    (put("C3", "maybe"), "db!C3: expected 'used' or 'held out', got 'maybe'"),
    (put("B3", 3), "db!B3: expected step 2, got t = 3"),
    (put("A4", 2), "db!B4: expected step 1, got t = 3"),
    (lambda sheet: sheet.delete_rows(7), "db!B6: expected 3 steps as in the pair on top, got 2"),
    (lambda sheet: sheet.append([2, 4, "held out", 0.2, 0, 0, 0]), "db!B8: expected 3 steps"),
    (lambda sheet: sheet.delete_cols(7), "db!G1: expected the header 'O2', got an empty cell"),
    (put("H1", "O3"), "db!H1: expected 7 columns, got 8"),
    (put("K5", 1), "db!H1: expected 7 columns, got 11"),
    (put("A1", "pairs"), "db!A1: expected the header 'pair', got 'pairs'"),
    (lambda sheet: sheet.delete_rows(2, 6), "db!A2: expected 1 to 2000 rows of data, got 0"),
    (lambda sheet: sheet.delete_rows(1, 7), "db!A1: expected the header 'pair'"),
    (lambda sheet: sheet.delete_rows(2, 3), "db!C2: expected at least one pair that is used"),
    (many_pairs, "db!C2: expected at most 700 rows of pairs that are used, got 903"),
    (move_rows, "db!A8: expected the steps of pair 1 together"),
    (put("E3", "x" * 500 + "\n"), "db!E3: expected a number, got 'xxx"),
]


@pytest.mark.parametrize(("change", "told"), WRONG)
def test_a_wrong_cell_is_one_line_with_its_address_and_nothing_is_written(
    edited, tmp_path, capsys, change, told
):
    path, out = edited(change), tmp_path / "out.xlsx"
    assert main(["workbook", str(out), "--data", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"rnnjax: {told}") and error.count("\n") == 1 and len(error) < 300
    assert [p.name for p in tmp_path.iterdir()] == ["edited.xlsx"]


def test_another_sheet_or_no_spreadsheet_is_one_line(edited, tmp_path, capsys):
    bomb, text, empty = (tmp_path / name for name in ("bomb.xlsx", "text.xlsx", "empty.xlsx"))
    text.write_text("pair,t,use\n")
    empty.write_bytes(b"")
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", b"0" * 150_000_000)
    for path, told in (
        (edited(lambda sheet: None, sheet="data"), "expected a sheet 'db', got data"),
        (text, "expected an .xlsx file, got BadZipFile"),
        (empty, "expected an .xlsx file, got BadZipFile"),
        (bomb, "expected at most 100000000 bytes unpacked"),
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "none.xlsx", "cannot be read: No such file"),
    ):
        assert main(["workbook", str(tmp_path / "out.xlsx"), "--data", str(path)]) == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1
    assert not (tmp_path / "out.xlsx").exists()


def test_wrong_weights_name_their_cell(edited, tmp_path):
    path, data = tmp_path / "small.xlsx", edited(lambda sheet: None)
    assert main(["workbook", str(path), "--data", str(data)]) == 0
    with pytest.raises(ConfigError, match="rnn!B13: expected a number, got an empty cell"):
        read_weights(path, "rnn")  # its formulas have not been computed
    book = openpyxl.load_workbook(path)
    book["parameter"]["C14"] = "w"
    for name in {*book.sheetnames} - {"parameter"}:
        del book[name]
    book.save(path)
    with pytest.raises(ConfigError, match="parameter!C14: expected a number, got 'w'"):
        read_weights(path)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ([], "OUT.xlsx"),
        (["out.ods"], "out: expected a name that ends in .xlsx"),
        ([""], "out: expected a file name"),
        (["out.xlsx", "--eta", "inf"], "--eta: expected a finite number, got 'inf'"),
        (["out.xlsx", "--start", "a"], "--start: expected a finite number"),
        (["out.xlsx", "--seed", "-1"], "--seed: expected"),
        (["out.xlsx", "--seed", "9" * 5000], "--seed: expected a whole number"),
        (["out.xlsx", "--sed", "1"], "--sed"),
        (["out.xlsx", "--data", ""], "data: expected a file name"),
        (["folder.xlsx"], "out: expected a file, got the folder"),
        (["no/permission.xlsx"], "cannot be written"),
    ],
)
def test_bad_usage_is_one_line_and_writes_nothing(argv, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.xlsx").mkdir()
    (tmp_path / "no").write_text("a file where a folder is needed")
    try:
        status = main(["workbook", *argv])
    except SystemExit as stopped:
        status = stopped.code
    error = capsys.readouterr().err
    assert status == 2 and told in error and error.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.xlsx", "no"]


def test_an_old_file_is_kept_unless_told(edited, capsys):
    path = edited(lambda sheet: None)
    before = path.read_bytes()
    assert main(["workbook", str(path)]) == 2
    assert "which exists: give --replace" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert main(["workbook", str(path), "--replace", "--data", str(path)]) == 0
    assert len(read_table(path).used) == 2


def test_a_failed_write_leaves_the_old_file(edited, monkeypatch):
    path = edited(lambda sheet: None)
    before = path.read_bytes()
    table = read_table(path)
    setting = Setting(jax.jit(network(spread=1.0).init)(jax.random.key(0)))
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(ConfigError, match="cannot be written: No space left"):
        write_workbook(path, table, setting)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["edited.xlsx"]


def test_without_openpyxl_it_is_one_line_that_names_the_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert main(["workbook", str(tmp_path / "out.xlsx")]) == 2
    error = capsys.readouterr().err
    assert "rnnjax[xlsx]" in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
