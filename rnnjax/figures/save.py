"""Saving a figure as PNG, and as PDF on request, with bytes that depend on the figure alone.

The same data gives the same files in every process: no creation date, no program version in
the metadata, fonts embedded as TrueType, and the layout computed once for both files.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from rnnjax.atomic_file import write_atomically
from rnnjax.figures.style import styled

_PNG_DPI = 200
# Only what is rasterized inside the PDF (heat maps) has this resolution; print needs 300 or more.
_PDF_RASTER_DPI = 600
_DATELESS = {"CreationDate": None, "Creator": None, "Producer": None}


def save_figure(
    figure: Figure, folder: str | Path, name: str = "figure", *, pdf: bool = False
) -> tuple[Path, ...]:
    """Writes `folder/name.png`, and `folder/name.pdf` on request, each atomically.

    Args:
        figure: a finished figure; its layout is computed now and stays as it is from then on.
        folder: made where it is missing.
        name: the file name without its ending.
        pdf: write the PDF too, which takes longer than the PNG. A PDF of that name is always
            written again, so that it never shows another figure than the PNG.

    Returns:
        The path of the PNG (200 dots per inch), and that of the PDF if it was written.

    Raises:
        OSError: the folder cannot be written.
    """
    endings = ("png", "pdf") if pdf or (Path(folder) / f"{name}.pdf").exists() else ("png",)
    options: dict[str, dict[str, Any]] = {
        "png": {"backend": "agg", "dpi": _PNG_DPI, "metadata": {"Software": None}},
        "pdf": {"backend": "pdf", "dpi": _PDF_RASTER_DPI, "metadata": _DATELESS},
    }
    # The style again, because the font type and the dashes are read when the file is written.
    # Without its layout: matplotlib would take the engine up again after the first file.
    with styled(), rc_context({"figure.constrained_layout.use": False}):
        _freeze_layout(figure)
        written = {ending: BytesIO() for ending in endings}
        for ending, stream in written.items():
            figure.savefig(stream, format=ending, **options[ending])
    paths = tuple(Path(folder) / f"{name}.{ending}" for ending in endings)
    for path, stream in zip(paths, written.values(), strict=True):
        write_atomically(path, stream.getvalue())
    return paths


def _freeze_layout(figure: Figure) -> None:
    """Computes the layout once: each renderer would otherwise place the panels by its own dpi.

    From then on there is no layout engine, not even one that does nothing: computing a layout
    starts from the one before and moves it a little, so that a second save would give other bytes,
    and with an engine matplotlib draws everything once more for every file.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        # At the resolution of the PNG, for which matplotlib then knows the sizes of all texts.
        figure.set_dpi(_PNG_DPI)
        engine.execute(figure)
        figure.set_layout_engine(None)
