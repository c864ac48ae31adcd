"""States that are matrices, into which every step writes an outer product."""
