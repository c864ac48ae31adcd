"""Learning rules by name, as configs write them."""

from collections.abc import Mapping
from typing import Any

from rnnjax import names
from rnnjax.types import Rule


def named(text: str, /, words: Mapping[str, Any] | None = None, **fields: Any) -> Rule:
    """Construct the rule that a text names, such as ``"BPTT(window=10)"``.

    Args:
      text: the name of a class of `rnnjax.rules` or `rnnjax.decks`, with values of its fields; see
        `rnnjax.names`.
      words: values of words in the text: ``named("RFLO(feedback=F)", {"F": F})``.
      **fields: values of further fields.

    Returns:
      the rule.

    Raises:
      ValueError: there is no such rule or field, or a value is out of its range.

    Example:
      >>> named("BPTT(window=10)").window
      10
    """
    known = words or {}
    rule: Rule = names.built("rules", text, fields, known, lambda _, word: known[word])
    return rule
