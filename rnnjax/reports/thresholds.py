"""The levels against which a diagnosis holds its numbers, and who set them.

docs/howto/diagnose.md gives the reasons. Limits of number formats are those of IEEE 754-2019,
table 3.5, and of bfloat16, which has the exponent of binary32.
"""

import math
from dataclasses import dataclass

_CONVENTION = "convention of rnnjax, docs/howto/diagnose.md"
_IEEE = "IEEE 754-2019, binary32: rounding error 2^-24"


@dataclass(frozen=True)
class Threshold:
    """A level with its unit and source."""

    value: float
    unit: str
    source: str = _CONVENTION


THRESHOLDS = {
    "horizon": Threshold(2.0, "decades"),
    "lost": Threshold(24 * math.log10(2), "decades", _IEEE),
    "reached": Threshold(0.5, "share of the steps"),
    "growth": Threshold(3.0, "decades"),
    "sustained growth": Threshold(1.0, "decades"),
    "window": Threshold(0.99, "cosine"),
    "weights learn": Threshold(0.8, "share of the weight gradient"),
    "flat slope": Threshold(1e-3, "slope"),
    "flat time": Threshold(0.9, "share of examples and steps"),
    "flat units": Threshold(0.5, "share of units"),
    "dead units": Threshold(0.25, "share of relu units"),
    "gate shut": Threshold(0.05, "value of the gate"),
    "gate open": Threshold(0.95, "value of the gate"),
    "gate time": Threshold(0.95, "share of examples and steps"),
    "gate units": Threshold(0.5, "share of units"),
    "errors": Threshold(2.0, "standard errors"),
    "neutral": Threshold(2.0, "epsilon of the state, nat a step"),
    "growth of a difference": Threshold(2.0, "decades"),
    "growth of the state": Threshold(0.25, "share of the first exponent"),
    "late growth of the state": Threshold(1.0, "nat"),
    "clipping": Threshold(0.9, "quantile over examples"),
}


@dataclass(frozen=True)
class Format:
    """A floating-point format.

    Attributes:
        name: as in `numpy.dtype.name`.
        smallest_normal: natural log of the smallest number of full precision.
        largest: natural log of the largest finite number.
        epsilon: from 1 to the next number.
        source: who defines it.
    """

    name: str
    smallest_normal: float
    largest: float
    epsilon: float
    source: str


def _format(name: str, low: int, high: int, bits: int, source: str) -> Format:
    return Format(name, low * math.log(2), high * math.log(2), 2.0**-bits, source)


_BFLOAT16 = "bfloat16, with the exponent of IEEE 754-2019 binary32"
FORMATS = {
    made.name: made
    for made in (
        _format("float64", -1022, 1024, 52, "IEEE 754-2019, binary64"),
        _format("float32", -126, 128, 23, "IEEE 754-2019, binary32"),
        _format("bfloat16", -126, 128, 7, _BFLOAT16),
        _format("float16", -14, 16, 10, "IEEE 754-2019, binary16"),
    )
}
