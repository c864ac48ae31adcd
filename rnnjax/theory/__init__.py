"""Closed forms and mean-field theory to lay over measurements; NumPy only, no JAX."""

from rnnjax.theory import (
    add_task,
    influence_balancing,
    mean_field,
    nowcasting,
    printed_table,
    scalar_chain,
    sentences,
)

__all__ = [
    "add_task",
    "influence_balancing",
    "mean_field",
    "nowcasting",
    "printed_table",
    "scalar_chain",
    "sentences",
]
