"""Drawing the figures of a cube, each with its title and its caption.

The title is the first sentence of the experiment's `answer`. The caption is all of it, followed by
the part "Figure:" of the docstring, which says what the panels show.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rnnjax import catalog, figures
from rnnjax.atomic_file import write_atomically
from rnnjax.errors import one_line, printable
from rnnjax.lazy import xr
from rnnjax.sweep.experiment import Experiment, line_in
from rnnjax.sweep.group_names import safe_name
from rnnjax.sweep.slices import slices

if TYPE_CHECKING:
    from rnnjax.figures.style import Width


def draw(
    experiment: Experiment, cube: xr.Dataset, out: Path, *, pdf: bool, width: Width = "page"
) -> int:
    """Draw the figure of each part of a cube; return the exit status."""
    if experiment.figure is None:
        return 0
    try:
        _ = figures.save_figure
    except Exception as error:  # a matplotlibrc that is no text, for one
        message = f"figure: matplotlib cannot be imported: {type(error).__name__}: {error}"
        print(f"rnnjax: {one_line(message, 400)}", file=sys.stderr)
        return 4
    worst = 0
    for part, values in slices(cube, experiment.setting):
        status, answer = _answered(experiment, values)
        try:
            paths = _draw_part(experiment, values, answer, out, part, pdf=pdf, width=width)
        except Exception as error:
            return complain("figure", experiment, error)
        for path in paths:
            print(f"figure  {printable(path)}")
        worst = max(worst, status)
    return worst


def _answered(experiment: Experiment, cube: xr.Dataset) -> tuple[int, str]:
    """Return the exit status and the answer; without one the figure is drawn without a title."""
    try:
        return 0, experiment.answered(cube)
    except Exception as error:
        return complain("answer", experiment, error), ""


def complain(what: str, experiment: Experiment, error: Exception) -> int:
    """Print in one line what failed in the file of an experiment; return the exit status."""
    message = f"{experiment.path}{line_in(experiment.path, error)}: {type(error).__name__}: {error}"
    print(f"rnnjax: {what}: {one_line(message, 400)}", file=sys.stderr)
    return 1


def _draw_part(
    experiment: Experiment,
    cube: xr.Dataset,
    answer: str,
    out: Path,
    part: str,
    *,
    pdf: bool,
    width: Width,
) -> tuple[Path, ...]:
    assert experiment.figure is not None
    with figures.styled(width):
        figure = experiment.figure(cube)
        if answer:
            figures.entitle(figure, answer)
    paths = figures.save_figure(figure, out, _name("figure", part, width), pdf=pdf)
    if answer:
        caption = f"{answer} {catalog.described(experiment.path).get('Figure', '')}".strip()
        write_atomically(out / f"{_name('caption', part)}.txt", f"{caption}\n".encode())
    return paths


def _name(what: str, part: str, width: Width = "page") -> str:
    """Return the name of a file of a part of a cube, without its ending."""
    words = [what, *[safe_name(part)] * bool(part), *["column"] * (width == "column")]
    return "_".join(words)
