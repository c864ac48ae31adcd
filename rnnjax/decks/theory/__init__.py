"""What can be said of the slides by counting, without a network; NumPy only, no JAX."""
