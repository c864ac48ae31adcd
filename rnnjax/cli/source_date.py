"""A variable that numpy and matplotlib read as a number when they are imported."""

import os

from rnnjax.errors import SetupError, shown


def check_source_date() -> None:
    """Test SOURCE_DATE_EPOCH before anything is imported that fails at it.

    Raises:
        SetupError: it is no number.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "0")
    try:
        int(text)
    except ValueError:
        message = f"expected a whole number of seconds, got {shown(text)}"
        raise SetupError("SOURCE_DATE_EPOCH", message) from None
