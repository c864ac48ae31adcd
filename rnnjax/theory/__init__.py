"""Closed forms and mean-field theory to lay over measurements; NumPy only, no JAX."""

from rnnjax.theory import mean_field

__all__ = ["mean_field"]
