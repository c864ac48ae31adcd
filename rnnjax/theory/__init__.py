"""Closed forms and mean-field theory to lay over measurements; NumPy only, no JAX."""

from rnnjax.theory import mean_field, nowcasting, printed_table, scalar_chain, sentences

__all__ = ["mean_field", "nowcasting", "printed_table", "scalar_chain", "sentences"]
