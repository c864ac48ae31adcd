"""Breaks the core in one place after the other and shows which test notices.

    python tests/mutations.py            all mutations, as the table of docs/testing.md
    python tests/mutations.py 3 7        some of them

Every mutation is made in a copy of the checkout. One that no test notices is printed as SURVIVED
and makes the exit status 1.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Mutation(NamedTuple):
    """One place to break."""

    what: str
    file: str
    old: str
    new: str
    tests: str


CONTRACT = "tests/cells/test_contract.py -k Vanilla"
EXTREMES = "tests/test_extremes.py"
BPTT = "tests/rules/test_bptt.py"

MUTATIONS = [
    Mutation("the slope is dropped from the backward step", "tangents/leaky.py",
             "e.value @ self.W", "v @ self.W", CONTRACT),
    Mutation("W is transposed on the way back", "tangents/leaky.py",
             "e.value @ self.W", "self.W @ e.value", CONTRACT),
    Mutation("lags are counted from the wrong end", "adjoint.py",
             "keep(deltas)])[::-1]", "keep(deltas)])", CONTRACT),
    Mutation("the trajectory hands h_t where h_{t-1} belongs", "scan.py",
             "jnp.concatenate([first[None], h[:-1]])", "h", CONTRACT),
    Mutation("the exponent of the Jacobian is lost on the way back", "adjoint.py",
             "scaled.normalise(factor * v.value, delta.exponent + v.exponent)",
             "scaled.normalise(factor * v.value, delta.exponent)", EXTREMES),
    Mutation("the exponent of a product by length is lost", "probes/adjoint.py",
             "scaled.normalise(moved.value, M.exponent + moved.exponent)",
             "scaled.normalise(moved.value, moved.exponent)", EXTREMES),
    Mutation("the forward pass forgets its scale", "scan.py",
             "scaled.normalise(new, given.exponent)", "scaled.normalise(new, 0)", EXTREMES),
    Mutation("the drive is not brought to the state's scale", "scan.py",
             "scaled.in_unit(d, top)", "d.value", EXTREMES),
    Mutation("tanh's log-slope is computed with cancellation", "activations.py",
             "log_slope=lambda x: math.log(4) + _log_bell(2 * x)",
             "log_slope=lambda x: jnp.log(1 - jnp.tanh(x) ** 2)", "tests/test_activations.py"),
    Mutation("a window keeps one lag too many", "rules/bptt.py",
             "length=window - 1", "length=window", BPTT),
    Mutation("what a windowed lag sends back stays where it is", "rules/bptt.py",
             "jnp.concatenate([a[1:], z[None]])", "a", BPTT),
    Mutation("the mask is ignored", "scan.py",
             "jnp.where(mask != 0, mask * losses, 0)", "losses", BPTT),
    Mutation("clipping forgets half of the tree's norm", "scaled.py",
             "squares = _dot(values, values, 0)", "squares = _dot(values[:1], values[:1], 0)",
             "tests/test_scaled.py"),
    Mutation("a sum ignores that exponents differ", "scaled.py",
             "normalise(jnp.sum(in_unit(number, top), axis=0), top[0])",
             "normalise(jnp.sum(number.value, axis=0), top[0])", "tests/test_scaled.py"),
    Mutation("the batch gives a sum, not a mean", "rules/bptt.py",
             "scaled.divide(grads, n_batch)", "grads", CONTRACT),
    Mutation("the rotation of two rows keeps its sign", "matrices/jacobi.py",
             "(y_hat - kappa[:, None] * x_hat)", "(y_hat + kappa[:, None] * x_hat)",
             "tests/test_matrices.py"),
    Mutation("GRU swaps its gates", "cells/gated.py",
             "r_h, z_h, n_h = jnp.split", "z_h, r_h, n_h = jnp.split",
             "tests/cells/test_flax_numbers.py"),
    Mutation("the horizon counts nats for decades", "analysis/decay.py",
             "decades * math.log(10)", "decades", "tests/analysis/test_decay.py"),
    Mutation("every update of a training draws the same sequences", "train.py",
             "jax.random.fold_in(key_data, n)", "key_data", "tests/test_train.py"),
    Mutation("a shard is put one lane beside its place", "sweep/cube.py",
             "numbers = np.arange(place.first, last)",
             "numbers = np.roll(np.arange(place.first, last), 1)",
             "tests/sweep/test_store.py"),
    Mutation("a bound without the slope of the activation", "../experiments/gradient_norms.py",
             'cube["max_slope"] * cube["largest_singular_value"]',
             '0.1 * cube["largest_singular_value"]', "tests/experiments/test_gradient_norms.py"),
    Mutation("the ratio is taken from the second step on", "decks/ratios.py",
             "history.n_seen >= 2", "history.n_seen >= 1", "tests/decks/test_ratios.py"),
    Mutation("a recursive ratio keeps the raw steps", "decks/ratios.py",
             "History(u if recursive else d,", "History(d,", "tests/decks/test_ratios.py"),
    Mutation("the safeguard lets ratios of unlike signs through", "decks/ratios.py",
             "trusted = (newer * older > 0) &", "trusted = (newer * older != 0) &",
             "tests/decks/test_ratios.py"),
    Mutation("a ratio forgets that its two steps differ in scale", "decks/ratios.py",
             "pair.newer.exponent - pair.older.exponent", "0 * pair.newer.exponent",
             "tests/decks/rules/test_eligibility_ratio.py"),
    Mutation("the stale delta stays at the step that sent it", "decks/rules/stale_delta_x.py",
             "jnp.concatenate([a[1:], z])", "a", "tests/decks/rules/test_delta_x.py -k stale"),
    Mutation("the literal delta x is that of the same step", "decks/rules/forward_delta_x.py",
             "o = h + self.sign * dx", "o = h - self.sign * dx",
             "tests/decks/rules/test_delta_x.py"),
    Mutation("the trace decays twice a step", "rules/eligibility_trace.py",
             "scaled.normalise(self.decay * at", "scaled.normalise(self.decay**2 * at",
             "tests/rules/test_eligibility_trace.py"),
    Mutation("the sheet's ratio is averaged after instead of before",
             "decks/rules/eligibility_ratio.py",
             "if not self.mean_first:", "if self.mean_first:",
             "tests/decks/rules/test_eligibility_ratio.py"),
    Mutation("a weight's trace is carried by another unit's Jacobian", "rules/immediate.py",
             "return by_unit.reshape(", "return by_unit[..., ::-1].reshape(",
             "tests/rules/test_hand_worked.py"),
    Mutation("UORO balances with the factor turned round", "rules/uoro.py",
             "times_exp(theta, -rho_0), prepared.new", "times_exp(theta, rho_0), prepared.new",
             "tests/rules/test_stochastic.py"),
    Mutation("KF-RTRL gives the sign to one of two factors", "rules/kf_rtrl.py",
             "_times(times_exp(L, -p_1), sign[1])", "times_exp(L, -p_1)",
             "tests/rules/test_stochastic.py"),
    Mutation("SnAp reaches one step further than it says", "rules/snap.py",
             "for _ in range(self.n - 1):", "for _ in range(self.n):",
             "tests/rules/test_limits.py"),
    Mutation("a block of truncation begins one step late", "rules/truncated_bptt.py",
             "% self.window != 0", "% self.window != 1", "tests/rules/test_limits.py"),
    Mutation("synthetic gradients are learned from the wrong step", "rules/dni.py",
             "A - rate * jnp.outer(A @ before - target, before)",
             "A - rate * jnp.outer(A @ before - target, now)", "tests/rules/test_hand_worked.py"),
    Mutation("a window of lags begins one step late", "rules/recurrent_weights.py",
             "t == end + 1 - length", "t == end + 1 - length + 1",
             "tests/rules/test_recurrent_weights.py"),
    Mutation("an update is made where no loss fell due", "train_online.py",
             "jnp.where(due, new, old)", "jnp.where(due | True, new, old)",
             "tests/test_train_online.py"),
    Mutation("a reflection turns on any row that is left", "matrices/qr.py",
             "jnp.where(found, jnp.argmax(size), jnp.argmax(free))", "jnp.argmax(free)",
             "tests/test_matrices.py -k rows"),
    Mutation("growth before the count began is counted", "probes/lyapunov.py",
             "(t == n_discarded - 1) | ", "", "tests/probes/test_lyapunov.py"),
    Mutation("every network of a sweep is decomposed by itself", "lanes.py",
             "return in_any(jnp.any(condition)), False", "return condition, True",
             "tests/probes/test_lyapunov.py -k together"),
    Mutation("Omega is differentiated through states and errors too", "penalties/omega.py",
             "fixed = jax.lax.stop_gradient(params)", "fixed = params",
             "tests/penalties/test_penalties.py"),
    Mutation("weights of 0 can never be left", "updates/scaled_gradient.py",
             "jnp.maximum(size, smallest)", "size", "tests/updates/test_clipping.py"),
    Mutation("the sign is left among the bits of a magnitude", "scaled.py",
             " & jnp.iinfo(integer).max", "", "tests/test_scaled.py"),
    Mutation("a matrix is multiplied without the slopes", "tangents/leaky.py",
             "self.slopes[:, None] * (self.W @ M)", "self.W @ M", CONTRACT),
    Mutation("slopes are taken of states in place of pre-activations", "scan.py",
             "at.drive, at.preactivation)", "at.drive, at.states.value)", CONTRACT),
    Mutation("weights that differ from step to step are not stored", "tangents/linearize.py",
             "if d else leaf", "if not d else leaf", CONTRACT),
    Mutation("the receipt of a cube goes on vouching for the one before", "sweep/cube.py",
             'files.commit_over(out / "cube.json", files.seal(receipt), out / "tmp")', "pass",
             "tests/sweep/test_store_crash.py"),
    Mutation("a chunk may take twice the memory", "sweep/memory.py",
             "if size <= budget]", "if size <= 2 * budget]", "tests/sweep/test_memory.py"),
    Mutation("a change of unit has the derivative of its factor", "scaled.py",
             "shift(tangents[0], unit_of(old) - unit_of(new))", "_times(tangents[0], primals[1])",
             "tests/contracts/test_zeros.py -k clipping"),
    Mutation("states go on behind the end of a sequence", "scan.py",
             "return new if goes_on is None else", "return new if True else",
             "tests/contracts/test_masks.py"),
    Mutation("padding is left as it is", "masks.py",
             "Batch(held(batch.x, counts), held(batch.y, counts), mask, counts)",
             "Batch(batch.x, batch.y, mask, counts)", "tests/contracts/test_masks.py -k probe"),
    Mutation("optimisers are fed JAX's gradient by complex weights", "updates/scaled_gradient.py",
             "Scaled(gradient.value.conj(), gradient.exponent)", "gradient",
             "tests/contracts/test_complex.py -k conjugate"),
    Mutation("a real view goes back by the transpose of a complex Jacobian", "tangents/real.py",
             "self.tangent.rmv(_joined(v).conj())", "self.tangent.rmv(_joined(v))",
             "tests/contracts/test_complex.py -k by_length"),
    Mutation("a slope that is NaN is a slope of 0", "activations.py",
             "alive = ~jnp.isneginf(log_slope)", "alive = jnp.isfinite(log_slope)",
             "tests/contracts/test_not_a_number.py -k activation"),
    Mutation("targets are broadcast", "boundary.py",
             "if not fits and _broadcast(y.shape, shape):", "if False:",
             "tests/contracts/test_boundary.py -k broadcast"),
    Mutation("the growth of some steps stands at the last of them", "probes/lyapunov.py",
             "self.logs[following] / age[:, None]", "self.logs",
             "tests/contracts/test_sizes.py -k same_at_every_step"),
    Mutation("units of a carry are told by its sizes", "cells/carried_units.py",
             "and not np.any(block & ~np.eye(len(block), dtype=bool))", "",
             "tests/contracts/test_sizes.py -k mean_nothing"),
]  # fmt: skip


def caught_by(mutation: Mutation) -> str:
    """Return the first test that fails, or SURVIVED."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        ignored = shutil.ignore_patterns(".git", ".venv", "results", "__pycache__", ".*_cache")
        shutil.copytree(ROOT, copy, ignore=ignored)
        target = copy / "rnnjax" / mutation.file
        text = target.read_text()
        if text.count(mutation.old) != 1:
            return f"NOT APPLIED: {mutation.old!r} stands {text.count(mutation.old)} times"
        target.write_text(text.replace(mutation.old, mutation.new))
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        words += mutation.tests.split()
        done = subprocess.run(words, cwd=copy, capture_output=True, text=True, check=False)
    failed = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(\S+)", done.stdout, re.MULTILINE)
    return failed.group(1) if done.returncode == 1 and failed else "SURVIVED"


def main() -> int:
    """Print the table."""
    chosen = [int(n) for n in sys.argv[1:]] or range(1, len(MUTATIONS) + 1)
    print("| # | what is broken | where | first test that fails |\n|---|---|---|---|", flush=True)
    missed = 0
    for number in chosen:
        mutation = MUTATIONS[number - 1]
        test = caught_by(mutation)
        missed += test.startswith(("SURVIVED", "NOT APPLIED"))
        where = (Path("rnnjax") / mutation.file).as_posix().replace("rnnjax/../", "")
        print(f"| {number} | {mutation.what} | `{where}` | `{test}` |", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
