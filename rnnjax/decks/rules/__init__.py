"""Rules that read a sentence of the slides in one of the ways it can be read, one a file."""
