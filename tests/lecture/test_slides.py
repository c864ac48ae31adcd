"""The slides: their figures exist and are the library's, and their notes fill 45 minutes."""

import json
import re
import subprocess

from tests.lecture.programs import LECTURE

TEXT = (LECTURE / "slides.md").read_text()
SLIDES = re.split(r"^---\n\n", TEXT.split("---\n", 2)[2], flags=re.MULTILINE)
TIMES = re.compile(r"^(\d):(\d\d), (\d) min\. ", re.MULTILINE)


def test_every_slide_has_a_title_and_notes():
    assert 23 <= len(SLIDES) <= 27
    for slide in SLIDES:
        assert len(re.findall(r"^##? \S", slide, re.MULTILINE)) == 1, slide[:60]
        assert len(TIMES.findall(slide)) == 1, slide[:60]


def test_the_times_follow_one_another_and_end_at_45_minutes():
    minute = 0
    for hours, minutes, length in TIMES.findall(TEXT):
        assert 60 * int(hours) + int(minutes) == minute
        minute += int(length)
    assert minute == 45


def test_every_picture_is_a_figure_of_the_results_whose_command_is_named():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT)
    assert len(pictures) >= 12
    for picture in pictures:
        name = re.fullmatch(r"\.\./\.\./results/(\w+)/figure\.png", picture)[1]
        assert (LECTURE / picture).exists() and f"[{name}]" in TEXT


def test_the_share_of_delays_told_apart_is_that_of_the_claim():
    claims = json.loads((LECTURE / "../../results/trainability/claims.json").read_text())["claims"]
    (area,) = (
        claim["measured"] for claim in claims
        if claim["name"] == "recall: area under the curve of delay / e-folding time"
    )  # fmt: skip
    assert f"area under the curve of {area:.2f}." in TEXT


def test_the_program_on_the_slide_is_that_of_the_page():
    shown = [
        line.split("  #")[0].strip()
        for line in re.search(r"```python\n(.*?)```", TEXT, re.S)[1].splitlines()
    ]
    source = (LECTURE / "numpy_twin.py").read_text()
    for line in filter(None, shown):
        assert line in source, line


def test_make_writes_slides_that_find_their_figures(tmp_path):
    """The command of the Makefile, with `cat` in place of the program that renders."""
    make = (LECTURE.parent.parent / "Makefile").read_text()
    assert re.search(r"^slides: ## ", make, re.MULTILINE)
    program = re.search(r"sed '(.+?)' docs/lecture/slides\.md", make)[1]
    done = subprocess.run(
        ["sed", program, str(LECTURE / "slides.md")], capture_output=True, text=True, check=True
    )
    pictures = re.findall(r"\]\((\.\.[^)]+)\)", done.stdout)
    assert pictures and all((LECTURE / "_build" / p).resolve().exists() for p in pictures)
