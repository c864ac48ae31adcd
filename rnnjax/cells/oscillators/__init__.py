"""Units of second order: a position and a velocity each."""
