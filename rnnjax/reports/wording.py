"""Numbers in sentences."""

import math


def amount(value: float) -> str:
    """Write a number with three significant digits, a count in full.

    Example:
        >>> amount(0.012345), amount(97.0), amount(float("-inf"))
        ('0.0123', '97', '-inf')
    """
    value = float(value)
    if value.is_integer() and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.3g}"


def with_error(value: float, error: float) -> str:
    """Write a number to two digits of its standard error, or to three digits without one.

    Example:
        >>> with_error(3.14159, 0.0123), with_error(3.14159, float("nan")), with_error(1234, 56)
        ('3.142 ± 0.012', '3.14', '1234 ± 56')
    """
    if not (math.isfinite(value) and math.isfinite(error)):
        return amount(value)
    if error == 0:
        return f"{amount(value)} ± 0"
    size = max(abs(value), error)
    digits = 1 - math.floor(math.log10(error))
    if digits > 6 or size >= 1e6:  # too long to read as a decimal number
        return f"{value:.3g} ± {error:.2g}"
    digits = max(digits, 0)
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def count(n: float, noun: str) -> str:
    """Write a count with its noun, as in "1 step" and "3 steps"."""
    return f"{amount(n)} {noun}" + ("" if n == 1 else "s")


def percent(share: float) -> str:
    """Write a share in per cent; what is not 0 or 1 never reads as one of them.

    Example:
        >>> percent(0.5), percent(0.0004), percent(0.99999), percent(1)
        ('50 %', '0.04 %', '> 99.9 %', '100 %')
    """
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.3g} %"


def decades(nats: float) -> float:
    """Convert nats to decades."""
    return nats / math.log(10)


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_of_ten(exponent: float) -> str:
    """Write 10 to a whole number, as in "10⁻⁴"."""
    return f"10{str(round(exponent)).translate(_RAISED)}"


def quantity(value: float, unit: str, error: float | None = None) -> str:
    """Write a number with its unit; a share in per cent, an infinite number as not reached.

    Example:
        >>> quantity(14, "steps"), quantity(0.25, "share of units"), quantity(math.inf, "steps")
        ('14 steps', '25 % of units', 'not reached')
    """
    if value == math.inf:
        return "not reached"
    if unit.startswith("share "):
        return percent(value) + unit.removeprefix("share")
    number = with_error(value, math.nan if error is None else error)
    return f"{number} {unit.removesuffix('s') if value == 1 else unit}"


def power(nats: float) -> str:
    """Write e^nats with two digits, at any magnitude.

    Example:
        >>> power(0.0), power(-1000.0), power(-math.inf)
        ('1', '5.1e-435', '0')
    """
    if math.isinf(nats) or abs(decades(nats)) < 4:
        return amount(float(f"{math.exp(nats):.2g}"))
    exponent = math.floor(decades(nats) + 0.02)  # 9.95 and more reads 10
    return f"{10 ** (decades(nats) - exponent):.1f}e{exponent:+03d}"
