"""Tasks by name, as configs write them."""

from typing import Any

from rnnjax import names
from rnnjax.types import Task


def named(text: str, /, **fields: Any) -> Task:
    """Construct the task that a text names, such as ``"AddTask(lag_1=3)"``.

    Args:
      text: the name of a class of `rnnjax.tasks` or `rnnjax.decks`, with values of its fields; see
        `rnnjax.names`.
      **fields: values of further fields.

    Returns:
      the task.

    Raises:
      ValueError: there is no such task or field, or a value is out of its range.

    Example:
      >>> named("AddTask(lag_1=3)", length=20).length
      20
    """
    task: Task = names.built("tasks", text, fields)
    return task
