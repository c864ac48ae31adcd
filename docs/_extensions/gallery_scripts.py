"""Writes a script of sphinx-gallery for each committed result, and takes the figure it draws.

The scripts lie in docs/_build/scripts, one folder a theme. Each holds the hash of what its figure
is made from, so that sphinx-gallery draws it again when the cube or the code has changed.
"""

import hashlib
from pathlib import Path

from committed_results import RESULTS, THEMES, Result, found

from rnnjax.claims.claim import expectation

SCRIPTS = Path(__file__).resolve().parents[1] / "_build" / "scripts"
PAGES = Path(__file__).resolve().parents[1] / "gallery"
_NUMBERS = {theme: f"{n}_{theme}" for n, theme in enumerate(THEMES, 1)}

_HEADER = """\
Gallery
=======

Every figure here answers one question. A page shows the figure as the experiment draws it from the
committed cube, the command that computes the cube, and the claims: numbers that were measured, with
what they must be and the source that says so. All commands are listed in :doc:`/howto/commands`.
"""

_SCRIPT = '''\
r"""
.. _result_{name}:

{question}
{rule}

{caption}
.. made from {inputs}
"""

from pathlib import Path

import rnnjax
from rnnjax import figures
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.experiment import load

results = Path(rnnjax.__file__).parents[1] / "results"
cube = read_cube(results / "{name}" / "cube.nc")
with figures.styled():
    figure = load("{experiment}").figure(cube)

# %%
{after}
'''


def write() -> None:
    """Write all scripts; those of results that are gone are removed, and the pages made of them."""
    results = found()
    wanted = {SCRIPTS / "GALLERY_HEADER.rst": _HEADER}
    for theme, folder in _NUMBERS.items():
        title, sentence, _ = THEMES[theme]
        text = f"{title}\n{'-' * len(title)}\n\n{sentence}\n"
        wanted[SCRIPTS / folder / "GALLERY_HEADER.rst"] = text
    for number, result in enumerate(results):
        path = SCRIPTS / _NUMBERS[result.theme] / f"draw_{number:02d}_{result.name}.py"
        wanted[path] = _script(result)
    for path in {*SCRIPTS.rglob("*.py"), *SCRIPTS.rglob("*.rst")} - wanted.keys():
        path.unlink()
    stems = {path.stem for path in wanted}
    for page in PAGES.rglob("draw_*.*"):
        if page.is_file() and page.name.split(".")[0] not in stems:
            page.unlink()
    for path, text in wanted.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def order(folder: str) -> str:
    """Sort the folders of themes: their names begin with their numbers."""
    return Path(folder).name


def _script(result: Result) -> str:
    panels = result.described.get("Figure", "")
    # An answer may say what the panels show; it stands above the figure, and is enough once.
    said = " ".join(panels.split()) in " ".join(result.caption.split())
    after = [f"**Panels.** {escaped(panels)}", ""] if panels and not said else []
    return _SCRIPT.format(
        name=result.name,
        experiment=result.experiment,
        question=escaped(result.question),
        rule="=" * len(escaped(result.question)),
        caption=f"{escaped(result.caption)}\n" if result.caption else "",
        inputs=_inputs(result),
        after="\n".join(
            f"# {line}".rstrip() for line in [*after, *_facts(result), "", *_claims(result)]
        ),
    )


def _inputs(result: Result) -> str:
    sources = RESULTS.parent / "rnnjax"
    paths = [result.folder / "cube.nc", RESULTS.parent / "experiments" / f"{result.experiment}.py"]
    paths += sorted([*(sources / "figures").glob("*.py"), *(sources / "reductions").glob("*.py")])
    hashed = hashlib.sha256()
    for path in paths:
        hashed.update(path.read_bytes())
    return hashed.hexdigest()[:16]


def _facts(result: Result) -> list[str]:
    facts = {
        "Command": f"``{result.command}``",
        "Run time": escaped(result.described.get("Run time", "")),
        "Source": escaped(result.described.get("Source", "")),
        "Files": f"``results/{result.name}/`` and ``experiments/{result.experiment}.py``",
    }
    return [f":{name}: {text}" for name, text in facts.items() if text]


def _claims(result: Result) -> list[str]:
    claims = result.claims()
    if not claims:
        return ["No claims are recorded for this result."]
    held = sum(claim.passed for claim in claims)
    lines = [
        f".. dropdown:: Claims: {held} of {len(claims)} hold", "",
        "   .. list-table::", "      :header-rows: 1", "      :class: claims", "",
        "      * - claim", "        - measured", "        - expected", "        - holds",
        "        - source",
    ]  # fmt: skip
    for claim in claims:
        cells = (
            escaped(claim.name), f"{claim.measured:.6g}", escaped(expectation(claim)),
            "yes" if claim.passed else "**no**", escaped(claim.source),
        )  # fmt: skip
        lines += [f"      {'* -' if n == 0 else '  -'} {cell}" for n, cell in enumerate(cells)]
    return lines


def escaped(text: str) -> str:
    r"""Return a text in which reStructuredText sees no markup: \, *, |, ` and _ are escaped."""
    one_line = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\*|`_" else c for c in one_line)


def scrape(block: tuple, block_vars: dict, gallery_conf: dict) -> str:
    """Save the variable ``figure`` of a script as the library saves it, once."""
    from sphinx_gallery.scrapers import figure_rst

    from rnnjax.figures import save_figure

    figure = block_vars["example_globals"].pop("figure", None)
    if figure is None:
        return ""
    path = Path(next(block_vars["image_path_iterator"]))
    save_figure(figure, path.parent, path.stem)
    return figure_rst([str(path)], gallery_conf["src_dir"])
