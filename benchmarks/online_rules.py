"""Time a step of every online rule, beside other implementations, and count what it keeps.

Command:   python benchmarks/online_rules.py [--quick] [--vanilla-rtrl FOLDER] [--out FILE.json]
Run time:  about 6 minutes on 2 cores.

The add task with lags 6 and 10, a vanilla tanh network, batch 1. Three ways of running rnnjax:

  online     an update (SGD) after every step, one network: the latency of a step
  side       the same for 32 networks side by side in one program: what a sweep over seeds pays
  sequence   the gradient of a sequence with fixed weights

and, run in turn with them in the same process where they are at hand:

  vanilla-rtrl   Marschall, Cho and Savin's NumPy implementation (JMLR 2020), an update every step;
                 give the folder of a copy of its sources
  braintrace     D-RTRL and others under jax.jit, if the package can be imported

Every figure is the best of several runs, compiling apart. State is what the rule keeps from step to
step (`rnnjax.probes.state_bytes`).
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjax
from rnnjax import probes, rules
from rnnjax.tasks import AddTask

LAGS, RATE, N_SIDE = (6, 10), 1e-3, 32
RULES = {
    "RTRL": rules.RTRL(),
    "UORO": rules.UORO(),
    "KF-RTRL": rules.KFRTRL(),
    "reverse KF-RTRL": rules.ReverseKFRTRL(),
    "RFLO": rules.RFLO(),
    "SnAp-1": rules.SnAp(1),
    "e-prop": rules.EProp(autapse=False),
    "KeRNL": rules.KeRNL(),
    "DNI": rules.DNI(),
    "node perturbation": rules.NodePerturbation(),
    "truncated BPTT, 10": rules.TruncatedBPTT(10),
}
# Beside the theory: orders in n_h of time a step and of state, for p ~ n_h^2 weights.
ORDERS = {
    "RTRL": (4, 3),
    "UORO": (2, 2),
    "KF-RTRL": (3, 2),
    "reverse KF-RTRL": (3, 2),
    "RFLO": (2, 2),
    "SnAp-1": (2, 2),
    "e-prop": (2, 2),
    "KeRNL": (2, 2),
    "DNI": (2, 2),
    "node perturbation": (2, 2),
    "truncated BPTT, 10": (2, 1),
}


def best_of(run, n_runs):
    """Seconds of the fastest of some runs, the first of which is not counted."""
    seconds = []
    for _ in range(n_runs + 1):
        started = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def compiled(function, *args):
    """The compiled function and the seconds that compiling took."""
    started = time.perf_counter()
    program = jax.jit(function).lower(*args).compile()
    return program, time.perf_counter() - started


def of_rnnjax(rule, n_h, n_steps, n_runs):
    """Microseconds a step and network of the three ways, bytes of state, seconds of compiling."""
    cell = rnnjax.Vanilla(2, n_h, 2)
    task = AddTask(*LAGS, length=n_steps)
    piece = 1 if hasattr(rule, "step") else 10

    def online(key):
        return rnnjax.fit_online(
            cell, task, rule, optax.sgd(RATE), key, n_sequences=1, steps_per_update=piece
        ).loss.sum()

    def sequence(params, batch, key):
        out = rule(cell, task.loss, params, batch, rule.init(cell, params, batch, key))
        return rnnjax.scaled.plain(out.grads)

    key, keys = jax.random.key(0), jax.random.split(jax.random.key(1), N_SIDE)
    params = cell.init(key)
    batch = jax.jit(task.sample)(key)
    alone, compile_seconds = compiled(online, key)
    side, _ = compiled(jax.vmap(online), keys)
    whole, _ = compiled(sequence, params, batch, key)
    micro = 1e6 / n_steps
    return {
        "online_us": micro * best_of(lambda: alone(key), n_runs),
        "side_us": micro / N_SIDE * best_of(lambda: side(keys), n_runs),
        "sequence_us": micro * best_of(lambda: whole(params, batch, key), n_runs),
        "state_bytes": probes.state_bytes(rule, cell, params, batch),
        "compile_seconds": compile_seconds,
    }


def of_vanilla_rtrl(folder, n_h, n_steps, n_runs):
    """Microseconds a step of the NumPy implementation, by the names used here."""
    sys.path.insert(0, str(folder))
    import core
    import functions
    import gen_data
    import learning_algorithms as algorithms
    import optimizers

    np.random.seed(0)  # noqa: NPY002  it draws from the global generator
    data = gen_data.Add_Task(*LAGS, deterministic=False, tau_task=1).gen_data(n_steps, 10)
    sgd = optimizers.Stochastic_Gradient_Descent
    made = {
        "RTRL": lambda rnn: algorithms.RTRL(rnn),
        "UORO": lambda rnn: algorithms.UORO(rnn),
        "KF-RTRL": lambda rnn: algorithms.KF_RTRL(rnn),
        "reverse KF-RTRL": lambda rnn: algorithms.Reverse_KF_RTRL(rnn),
        "RFLO": lambda rnn: algorithms.RFLO(rnn, alpha=1),
        "KeRNL": lambda rnn: algorithms.KeRNL(rnn, sgd(lr=RATE)),
        "DNI": lambda rnn: algorithms.DNI(rnn, sgd(lr=RATE)),
        "truncated BPTT, 10": lambda rnn: algorithms.Future_BPTT(rnn, 10),
    }
    seconds = {}
    for name, make in made.items():
        runs = []
        for _ in range(n_runs):
            draw = np.random.normal  # noqa: NPY002
            rnn = core.RNN(
                draw(0, 0.5**0.5, (n_h, 2)), draw(0, n_h**-0.5, (n_h, n_h)),
                draw(0, n_h**-0.5, (2, n_h)), np.zeros(n_h), np.zeros(2),
                activation=functions.tanh, alpha=1, output=functions.softmax,
                loss=functions.softmax_cross_entropy,
            )  # fmt: skip
            run = core.Simulation(rnn)
            started = time.perf_counter()
            run.run(data, mode="train", learn_alg=make(rnn), optimizer=sgd(lr=RATE),
                    monitors=[], verbose=False)  # fmt: skip
            runs.append(time.perf_counter() - started)
        seconds[name] = 1e6 / n_steps * min(runs)
    return seconds


def _told():
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "jax": jax.__version__,
        "numpy": np.__version__,
        "device": jax.devices()[0].device_kind,
    }


def main():
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one size, few steps")
    parser.add_argument("--vanilla-rtrl", type=Path, help="folder of the NumPy implementation")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/online_rules.json"))
    given = parser.parse_args()
    sizes = (8,) if given.quick else (16, 32, 64, 128)
    found = {**_told(), "n_side": N_SIDE, "orders": ORDERS, "rnnjax": {}, "vanilla_rtrl": {}}
    for n_h in sizes:
        n_steps = 64 if given.quick else max(256, 65536 // n_h)
        if given.vanilla_rtrl:
            peer = of_vanilla_rtrl(given.vanilla_rtrl, n_h, 100 if n_h > 64 else 300, 3)
            found["vanilla_rtrl"][str(n_h)] = peer
        for name, rule in RULES.items():
            few = n_steps // 8 if name == "RTRL" and n_h >= 64 else n_steps
            row = of_rnnjax(rule, n_h, few // 10 * 10, 3)
            found["rnnjax"].setdefault(str(n_h), {})[name] = row
            peer = found["vanilla_rtrl"].get(str(n_h), {}).get(name, float("nan"))
            print(
                f"n_h {n_h:4d}  {name:20s} online {row['online_us']:9.2f}  side "
                f"{row['side_us']:8.2f}  sequence {row['sequence_us']:9.2f} us a step  state "
                f"{row['state_bytes']:9d} B   vanilla-rtrl {peer:9.1f} us, "
                f"{peer / row['online_us']:7.1f} x, {peer / row['side_us']:8.1f} x side by side",
                flush=True,
            )
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"stored in {given.out}")


if __name__ == "__main__":
    main()
