"""Colours of an ordered parameter, and the darker tone of its theory lines."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb

# Blue, violet, magenta, coral, ochre: the lightness (CIE L* 29 to 72) rises in even steps, and five
# neighbours stay 10 CIE units apart with each kind of colour blindness. No end is so dark that
# the darker tone of its theory line would be lost in it, or so light that it would vanish on white.
_ORDERED = LinearSegmentedColormap.from_list(
    "ordered", ("#23408f", "#7f3fae", "#c2478f", "#e86a4c", "#eaa12f")
)


def ordered_colours(n: int) -> list[str]:
    """Chooses colours for an ordered parameter, dark blue (least) to light ochre (greatest).

    The lightness rises evenly, so the order survives grey print and colour blindness.

    Args:
        n: number of colours, at least 1.

    Returns:
        Hexadecimal colours.

    Raises:
        ValueError: n is less than 1.
    """
    if n < 1:
        raise ValueError(f"expected at least 1 colour, got {n}")
    return [to_hex(_ORDERED(share)) for share in np.linspace(0, 1, n)]


def darker(colour: str) -> str:
    """Returns the tone of a colour in which its theory is drawn."""
    return to_hex(0.55 * np.asarray(to_rgb(colour)))  # type: ignore[arg-type]
