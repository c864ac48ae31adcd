"""The values of the command line's own options, read from text."""

from __future__ import annotations

import argparse
import math

from rnnjax.errors import one_line

MAX_DEVICES = 256
UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


def devices(text: str) -> int:
    """A number of devices or workers."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_DEVICES):
        message = f"expected a whole number from 1 to {MAX_DEVICES}, got {one_line(text)!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def size(text: str) -> float:
    """Bytes, from a number with a unit."""
    number, unit = text[:-2], text[-2:].upper()
    try:
        size = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        size = math.nan
    if not 0 < size < math.inf:
        message = f"expected a size like 500MB or 2GB, got {one_line(text)!r}"
        raise argparse.ArgumentTypeError(message)
    return size


def whole(text: str) -> int:
    """A whole number of 31 bits."""
    if not (text.isascii() and text.isdigit() and int(text[:10]) < 2**31):
        message = f"expected a whole number from 0 to {2**31 - 1}, got {one_line(text)!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def finite(text: str) -> float:
    """A finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"expected a finite number, got {one_line(text)!r}")
    return number
