"""A differential fuzzer: random networks, sequences and subjects against plain float64 autodiff.

    python -m tests.fuzz --cases 1000 --seed 0
    python -m tests.fuzz --minutes 60

A case is drawn from one seed, which is printed if the subject and its oracle differ;
``--seed N --cases 1`` runs all cases of its program again.
"""
