"""The fuzzer as a command; see the package's docstring."""

import argparse
import os
import sys
import time

os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
    ]
)

import jax

from tests.fuzz.compare import NUMBERS_A_PROGRAM, cases

jax.config.update("jax_enable_x64", True)


def main() -> int:
    """Run cases until the requested number of cases, or the requested time, is reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=None, help="stop after so many")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so long")
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    asked = parser.parse_args()
    started, seed, n_cases, n_failed = time.monotonic(), asked.seed, 0, 0
    limit = 1000 if asked.cases is None and asked.minutes is None else asked.cases
    while True:
        for differences in cases(seed):
            n_cases += 1
            n_failed += bool(differences)
            for difference in differences:
                print(difference, flush=True)
        seed += 1
        minutes = (time.monotonic() - started) / 60
        if (limit and n_cases >= limit) or (asked.minutes and minutes >= asked.minutes):
            break
        if seed % 20 == 0:
            jax.clear_caches()  # thousands of programs would fill the memory
            print(f"# {n_cases} cases, {n_failed} failed, {minutes:.1f} min", file=sys.stderr)
    print(
        f"{n_cases} cases of {seed - asked.seed} programs ({NUMBERS_A_PROGRAM} each), "
        f"{n_failed} failed, {minutes:.1f} minutes"
    )
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
