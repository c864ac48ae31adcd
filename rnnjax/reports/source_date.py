"""The date that SOURCE_DATE_EPOCH names, for files that shall not depend on the day."""

import os
from datetime import UTC, datetime

from rnnjax.errors import shown


def source_date() -> str | None:
    """Return the date in UTC, as in "2026-11-29"; None where the variable is not set.

    Raises:
        ValueError: it is not a number of seconds that has a date.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        message = f"expected a whole number of seconds since 1970, got {shown(text)}"
        raise ValueError(f"SOURCE_DATE_EPOCH: {message}") from None
