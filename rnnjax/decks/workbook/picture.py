"""The picture of the network, unrolled in time, for the sheet `read me`."""

import io

from rnnjax import figures
from rnnjax.figures import BLUE, GREY, VERMILION
from rnnjax.lazy import matplotlib

_STEPS = 3  # of time that are drawn; the others are alike
_GAP = 3.0  # between two steps
_LEVELS = {"input": 0.0, "hidden": 1.3, "output": 2.6}
_DPI = 160


def unrolled_network() -> bytes:
    """Return a PNG of three steps: values go up and to the right, errors down and to the left."""
    with figures.styled():
        figure = figures.Figure(figsize=(figures.PAGE_WIDTH, 3.3))
        figure.set_layout_engine("none")  # the panel fills the figure
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(-1.15, _GAP * (_STEPS - 1) + 1.15), ylim=(-0.75, 3.55), aspect="equal")
        for n in range(_STEPS):
            _step(axes, n)
        _legend(axes)
        written = io.BytesIO()
        figure.savefig(written, format="png", dpi=_DPI, metadata={"Software": None})
    return written.getvalue()


def _step(axes: figures.Axes, n: int) -> None:
    x, time = n * _GAP, f"t{n - 1:+d}".replace("t+0", "t")
    for k, name in enumerate(("i_3", "i_1", "i_2")):  # the fed-back one on the side of its arrow
        _box(axes, x + 0.62 * (k - 1), _LEVELS["input"], f"${name}$", GREY if k else BLUE)
    _box(axes, x, _LEVELS["hidden"], "$h_1$ to $h_4$", GREY, width=1.5)
    for k in (1, 2):
        _box(axes, x + 0.62 * (k - 1.5), _LEVELS["output"], f"$o_{k}$", BLUE if k == 2 else GREY)
    for low, high, weights in (("input", "hidden", "W, b"), ("hidden", "output", "V, c")):
        bottom, top = _LEVELS[low] + 0.24, _LEVELS[high] - 0.24
        _arrow(axes, [(x - 0.1, bottom), (x - 0.1, top)], "black")
        _arrow(axes, [(x + 0.1, top), (x + 0.1, bottom)], VERMILION, dashes=True)
        axes.text(x - 0.2, (bottom + top) / 2, f"${weights}$", ha="right", va="center")
    axes.text(x, -0.42, f"step ${time}$", ha="center", va="top")
    if n < _STEPS - 1:
        _feedback(axes, x)


def _feedback(axes: figures.Axes, x: float) -> None:
    """Output 2 becomes i3 of the next step; di3 comes back as dx."""
    right, left = x + 0.56, x + _GAP - 0.87  # edges of output 2 and of the next i3
    top, bottom, middle = _LEVELS["output"], _LEVELS["input"], (right + left) / 2
    for colour, shift, forward in ((BLUE, -0.07, True), (VERMILION, 0.07, False)):
        corner = middle + shift
        corners = [(right, top + shift), (corner, top + shift), (corner, bottom + shift),
                   (left, bottom + shift)]  # fmt: skip
        _arrow(axes, corners if forward else corners[::-1], colour, dashes=not forward)
    axes.text(middle + 0.2, (top + bottom) / 2, "dx", color=VERMILION, va="center")


def _legend(axes: figures.Axes) -> None:
    x, y = -1.0, 3.35
    for words, colour, dashes in (
        ("forward", "black", False), ("output 2 is fed back as i3", BLUE, False),
        ("backward: do, dh, di, and dx on the sheet rnn+et+dx", VERMILION, True),
    ):  # fmt: skip
        _arrow(axes, [(x, y), (x + 0.4, y)], colour, dashes=dashes)
        axes.text(x + 0.48, y, words, va="center")
        x += 0.75 + 0.075 * len(words)


def _box(
    axes: figures.Axes, x: float, y: float, words: str, colour: str, width: float = 0.5
) -> None:
    patch = matplotlib.patches.FancyBboxPatch(
        (x - width / 2, y - 0.2), width, 0.4, boxstyle="round,pad=0,rounding_size=0.08",
        facecolor="white", edgecolor=colour, linewidth=1.2,
    )  # fmt: skip
    axes.add_patch(patch)
    axes.text(x, y, words, ha="center", va="center")


def _arrow(
    axes: figures.Axes, corners: list[tuple[float, float]], colour: str, *, dashes: bool = False
) -> None:
    patch = matplotlib.patches.FancyArrowPatch(
        path=matplotlib.path.Path(corners), arrowstyle="-|>", color=colour, mutation_scale=8,
        linewidth=1.1, linestyle=(0, (3, 2)) if dashes else "-", fill=False,
    )  # fmt: skip
    axes.add_patch(patch)
