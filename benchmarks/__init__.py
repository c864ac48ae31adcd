"""Benchmarks: rnnjax beside what one would use in its place, timed in turn in one process."""

ONE_DEVICE = {"spectra", "gradients", "in_parallel", "long_sequences", "programs", "accelerator"}
"""Workloads of one network, which all cores work on together."""

MEMORY = {"long_sequences", "programs"}
"""Workloads whose peak memory is measured too, in processes of their own."""

ACCELERATED = {"accelerator"}
"""Workloads that run on an accelerator; all others run on the processor, whatever else there is."""

WORKLOADS = {
    "lags": "the norm of the gradient at every lag",
    "lengths": "the norm of the gradient at the first step, for every length",
    "training": "a sweep of trainings",
    "gradients": "the weight gradient of a batch, cell by cell",
    "growth": "time over units, length and number of networks",
    "in_parallel": "sequences solved in parallel beside the scan",
    "long_sequences": "the norm of the gradient at every lag of one long sequence",
    "spectra": "Lyapunov exponents",
    "alignment": "alignment of learning rules with BPTT",
    "first_number": "from the start of a process to the first number",
    "commands": "the command line, from start to figure",
    "programs": "the gradient by lag and the report of a linen program",
    "cluster": "a sweep on workers",
    "accelerator": "a hundred times the networks, and larger ones, on an accelerator",
}
"""Workloads in the order they are run: the module of this folder, and what is done, in words."""
