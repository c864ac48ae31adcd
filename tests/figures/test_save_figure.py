"""A saved figure: the same bytes in every process, text that stays text, all or nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rnnjax.figures import save_figure, styled

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]


def _fresh_process(folder, hash_seed, *extra):
    environment = os.environ | {
        "PYTHONPATH": str(_ROOT),
        "PYTHONHASHSEED": hash_seed,
        **dict(extra),
    }
    return subprocess.run(
        [sys.executable, str(_HERE / "figure_of_all_kinds.py"), str(folder)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()


@pytest.fixture(scope="module")
def two_builds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("builds")
    # Another user's settings and another clock must not show in the files.
    (folder / "matplotlibrc").write_text("font.size: 23\npdf.fonttype: 3\n")
    theirs = (("MPLCONFIGDIR", str(folder)), ("MATPLOTLIBRC", str(folder)), ("TZ", "Asia/Tokyo"))
    told = _fresh_process(folder / "a", "1"), _fresh_process(folder / "b", "2", *theirs)
    return folder / "a", folder / "b", told


@pytest.mark.wide
@pytest.mark.parametrize("name", ["figure.pdf", "figure.png"])
def test_two_fresh_processes_write_the_same_bytes(two_builds, name):
    first, second, _ = two_builds
    assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_figure_needs_neither_jax_nor_pyplot(two_builds):
    assert two_builds[2][0] == ["False", "False"]


def test_fonts_are_embedded_as_truetype(two_builds):
    pdf = (two_builds[0] / "figure.pdf").read_bytes()
    fonts = re.findall(rb"/Subtype /(Type0|Type1|Type3|CIDFontType2|TrueType)", pdf)
    assert b"CIDFontType2" in fonts and b"/FontFile2" in pdf
    assert not {b"Type3", b"Type1"} & set(fonts)
    used, embedded = pdf.count(b"/Subtype /CIDFontType2"), len(re.findall(rb"/FontFile2 \d", pdf))
    assert used == embedded


def test_metadata_tell_no_date_and_no_program(two_builds):
    folder = two_builds[0]
    pdf = (folder / "figure.pdf").read_bytes()
    assert not re.search(rb"CreationDate|ModDate|Producer|Creator", pdf)
    with Image.open(folder / "figure.png") as png:
        assert "Software" not in png.info


def test_the_cells_are_an_image_and_the_file_is_small(two_builds):
    pdf = (two_builds[0] / "figure.pdf").read_bytes()
    assert pdf.count(b"/Subtype /Image") >= 1
    assert len(pdf) < 100_000


def test_png_has_200_dots_per_inch(two_builds):
    with Image.open(two_builds[0] / "figure.png") as png:
        assert png.size == (1440, 1000)


def _small_figure():
    with styled():
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([0, 1], [0, 1], "--")
    return figure


def test_the_style_of_the_moment_of_saving_has_no_say(tmp_path):
    plain = save_figure(_small_figure(), tmp_path / "plain", pdf=True)
    with matplotlib.rc_context({"pdf.fonttype": 3, "lines.scale_dashes": False, "savefig.dpi": 30}):
        other = save_figure(_small_figure(), tmp_path / "other", pdf=True)
    assert [p.read_bytes() for p in plain] == [p.read_bytes() for p in other]


@pytest.mark.wide
def test_saving_one_figure_twice_gives_the_same_bytes(tmp_path):
    sys.path.insert(0, str(_HERE))
    try:
        from figure_of_all_kinds import draw
    finally:
        sys.path.remove(str(_HERE))
    figure = draw()
    first = [path.read_bytes() for path in save_figure(figure, tmp_path, pdf=True)]
    assert len(first) == 2 and first == [
        path.read_bytes() for path in save_figure(figure, tmp_path)
    ]


def test_paths_are_returned_and_nothing_else_is_left(tmp_path):
    paths = save_figure(_small_figure(), tmp_path / "new" / "folder", "gain", pdf=True)
    assert [path.name for path in paths] == ["gain.png", "gain.pdf"]
    assert sorted(tmp_path.joinpath("new/folder").iterdir()) == sorted(paths)


def test_a_pdf_is_written_on_request_and_never_shows_another_figure(tmp_path):
    figure = _small_figure()
    assert [path.name for path in save_figure(figure, tmp_path)] == ["figure.png"]
    (tmp_path / "figure.pdf").write_text("an older figure")
    *_, pdf = save_figure(figure, tmp_path)
    assert pdf.read_bytes().startswith(b"%PDF")


@pytest.mark.wide
def test_a_failed_write_keeps_the_old_file_and_leaves_no_part(tmp_path, monkeypatch):
    _, old_pdf = save_figure(_small_figure(), tmp_path, pdf=True)
    before = old_pdf.read_bytes()
    other = _small_figure()
    other.axes[0].plot(np.arange(5))

    def disk_full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space"):
        save_figure(other, tmp_path)
    assert old_pdf.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.pdf", "figure.png"]
