"""Vector states that decay entry by entry, at rates that the input sets, or none does."""
