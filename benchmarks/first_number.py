"""C0: from the start of a process to the first number of W1, W2 and W3, beside plain JAX.

Every run is a process of its own, bound to one core with one thread and without a cache of compiled
programs. Both sides have one layout, so that none waits for the choice of another. rnnjax compiles
as its sweeps, trainings and `rnnjax.run_once` do, by the work of a program; plain JAX by `jax.jit`.
Seconds are of the whole process, imports included; compile seconds are the median of the same
processes.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator

from benchmarks import crew, harness, lags, lengths, networks, training
from benchmarks.crew import Share
from benchmarks.networks import Networks

SIDE_BY_SIDE = 21  # networks


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield C0 of W1, W2 and W3."""
    names = {"lags": "every lag", "lengths": "every length", "training": "trainings"}
    for workload, name in names.items():
        yield lambda workload=workload, name=name: harness.Case(
            f"first number, one core: {name}",
            _side(workload, "rnnjax", quick),
            {"plain JAX": _side(workload, "plain", quick)},
        )


def _side(workload: str, way: str, quick: bool) -> harness.Side:
    """Return the side whose runs are processes that compute a first number."""
    found, compile_seconds = harness.Side(lambda: None), []
    command = [sys.executable, "-m", "benchmarks.first_number", workload, way, str(int(quick))]
    one = {"NPROC": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    def run() -> None:
        done = subprocess.run(command, env=os.environ | one, check=True, stdout=subprocess.PIPE)
        compile_seconds.append(json.loads(done.stdout.splitlines()[-1]))
        found.compile_seconds = statistics.median(compile_seconds)

    found.run = run
    return found


def of_lags(way: str, quick: bool) -> harness.Side:
    """Return W1 of one share of the networks."""
    return _of_networks(way, quick, lags.plain_jax, "log_norm_by_lag")


def of_lengths(way: str, quick: bool) -> harness.Side:
    """Return W2 of one share of the networks."""
    return _of_networks(way, quick, lengths.plain_jax, "log_norm_by_length")


def _of_networks(way: str, quick: bool, plain: Callable, probe: str) -> harness.Side:
    parts = networks.share_of(quick, Share(0, 2))
    ways = {
        "plain": (plain, Networks.arrays_of_lanes),
        "rnnjax": (networks.probed(probe), Networks.lanes),
    }
    return networks.side_by_side(parts, *ways[way], SIDE_BY_SIDE, once=way == "rnnjax")


def of_training(way: str, quick: bool) -> harness.Side:
    """Return W3 of one share of the seeds, one after the other."""
    n_seeds, n_updates = (1, 4) if quick else (16, 200)
    ways = {
        "plain": lambda: training.trained_by_grad(training.plain_network(), n_updates),
        "rnnjax": lambda: training.trained(training.N_H, n_updates),
    }
    return training.one_by_one(ways[way](), range(n_seeds), once=way == "rnnjax")


def main() -> None:
    """Compute the first number of the workload and the side named on the command line."""
    workload, way, quick = sys.argv[1:]
    crew.on_one_core(0)
    makes = {"lags": of_lags, "lengths": of_lengths, "training": of_training}
    side = makes[workload](way, quick == "1")
    side.run()
    print(json.dumps(side.compile_seconds))


if __name__ == "__main__":
    main()
