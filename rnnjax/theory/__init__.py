"""Closed forms and mean-field theory to lay over measurements; NumPy only, no JAX."""

from rnnjax.theory import (
    add_task,
    bounds,
    curse_of_memory,
    gates,
    influence_balancing,
    linear_unit,
    mean_field,
    mean_field_exact,
    minimal_rnn,
    nowcasting,
    one_unit,
    random_matrices,
    scalar_chain,
    transfer_operator,
    wide_networks,
)

__all__ = [
    "add_task",
    "bounds",
    "curse_of_memory",
    "gates",
    "influence_balancing",
    "linear_unit",
    "mean_field",
    "mean_field_exact",
    "minimal_rnn",
    "nowcasting",
    "one_unit",
    "random_matrices",
    "scalar_chain",
    "transfer_operator",
    "wide_networks",
]
