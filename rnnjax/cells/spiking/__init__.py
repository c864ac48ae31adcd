"""Units that send spikes, with surrogate slopes for the gradient."""
