"""Time a step of every online rule, beside other implementations, and count what it keeps.

Command:   python -m benchmarks.online_rules [--quick] [--vanilla-rtrl FOLDER] [--out FILE.json]
           python -m benchmarks.online_rules --draw FILE.json
Run time:  about 20 minutes on 2 cores.
Figure:    beside FILE.json. a: microseconds a step with an update every step, per network of 32
           side by side. b: bytes of state. Both over n_h, with the orders that the theory gives
           (grey). c: how many times longer the NumPy implementation takes (an update every step,
           one network) and braintrace (a sequence with fixed weights; dashed).

The add task with lags 6 and 10, a vanilla tanh network, batch 1. Three ways of running rnnjax:

  online     an update (SGD) after every step, one network: the latency of a step
  side       the same for 32 networks side by side in one program: what a sweep over seeds pays
  sequence   the gradient of a sequence with fixed weights

and, run in turn with them in the same process where they are at hand:

  vanilla-rtrl   Marschall, Cho and Savin's NumPy implementation (JMLR 2020), an update every step;
                 give the folder of a copy of its sources
  braintrace     D-RTRL and others under jax.jit, if the package can be imported

Every figure is the best of several runs, compiling apart. State is what the rule keeps from step to
step (`rnnjax.rules.state_bytes`).
"""

import argparse
import importlib.util
import json
import os
import platform
import sys
import time
from pathlib import Path

# For the NumPy implementation: with more threads its small products take up to 40 times longer.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjax
from benchmarks import online_rules_figure
from rnnjax import rules
from rnnjax.tasks import AddTask

LAGS, RATE, N_SIDE = (6, 10), 1e-3, 32
SIZES = (16, 32, 64, 128)
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
        "state_bytes": rules.state_bytes(rule, cell, params, batch),
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
            draw = np.random.normal
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


def of_braintrace(n_h, n_steps, n_runs):
    """Microseconds a step of braintrace's gradient of a sequence, by the names used here."""
    import brainstate
    import braintrace

    class Network(brainstate.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = braintrace.nn.ValinaRNNCell(2, n_h, activation="tanh")
            self.out = braintrace.nn.Linear(n_h, 2)

        def update(self, x):
            return self.out(self.rnn(x))

    made = {
        "e-prop": (braintrace.D_RTRL, {}),  # the diagonal of the Jacobian, as D-RTRL calls it
        "SnAp-1": (braintrace.SnAp, {"n": 1}),
        "UORO": (braintrace.UORO, {}),
    }
    x = brainstate.random.randn(n_steps, 1, 2)
    y = jax.nn.one_hot(jnp.zeros((n_steps, 1), int), 2)
    seconds = {}
    for name, (algorithm, options) in made.items():
        learner = braintrace.compile(
            Network(), algorithm, jnp.zeros((1, 2)), batch_size=1, **options
        )

        def loss(x, y, learner=learner):
            return -jnp.sum(y * jax.nn.log_softmax(learner(x)))

        gradient = brainstate.transform.jit(
            lambda x, y, learner=learner, loss=loss: learner.etrace_grad(x, y, step_fn=loss)
        )
        seconds[name] = 1e6 / n_steps * best_of(lambda run=gradient: run(x, y), n_runs)
    return seconds


def _machine():
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "jax": jax.__version__,
        "numpy": np.__version__,
        "device": jax.devices()[0].device_kind,
    }


def _line(found, n_h, name, row):
    """One rule at one size, with the ratios to its peers."""
    parts = [
        f"n_h {n_h:4d}  {name:19s} online {row['online_us']:8.2f}  side {row['side_us']:7.2f}  "
        f"sequence {row['sequence_us']:8.2f} us a step, {row['state_bytes']} B"
    ]
    numpy_us = found["vanilla_rtrl"].get(str(n_h), {}).get(name)
    if numpy_us:
        parts.append(f"vanilla-rtrl {numpy_us:.0f} us: {numpy_us / row['online_us']:.0f} x online, "
                    f"{numpy_us / row['side_us']:.0f} x side by side")  # fmt: skip
    braintrace_us = found["braintrace"].get(str(n_h), {}).get(name)
    if braintrace_us:
        ratio = braintrace_us / row["sequence_us"]
        parts.append(f"braintrace {braintrace_us:.2f} us: {ratio:.1f} x over a sequence")
    return "; ".join(parts)


def main():
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one size, few steps")
    parser.add_argument("--vanilla-rtrl", type=Path, help="folder of the NumPy implementation")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/online_rules.json"))
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="n_h")
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=list(RULES))
    parser.add_argument("--draw", type=Path, help="only draw the results stored in this file")
    given = parser.parse_args()
    if given.draw:
        online_rules_figure.draw(json.loads(given.draw.read_text()), given.draw)
        return
    sizes = (8,) if given.quick else given.sizes
    found = {**_machine(), "n_side": N_SIDE, "orders": online_rules_figure.ORDERS, "rnnjax": {}}
    found |= {"vanilla_rtrl": {}, "braintrace": {}}
    with_braintrace = importlib.util.find_spec("braintrace") is not None
    for n_h in sizes:
        n_steps = 64 if given.quick else max(256, 65536 // n_h)
        if given.vanilla_rtrl:
            peer = of_vanilla_rtrl(given.vanilla_rtrl, n_h, 100 if n_h > 64 else 300, 3)
            found["vanilla_rtrl"][str(n_h)] = peer
        if with_braintrace:
            found["braintrace"][str(n_h)] = of_braintrace(n_h, n_steps, 3)
        for name in given.rules:
            rule = RULES[name]
            few = n_steps // 8 if name == "RTRL" and n_h >= 64 else n_steps
            row = of_rnnjax(rule, n_h, few // 10 * 10, 3)
            found["rnnjax"].setdefault(str(n_h), {})[name] = row
            print(_line(found, n_h, name, row), flush=True)
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.write_text(json.dumps(found, indent=1) + "\n")
    online_rules_figure.draw(found, given.out)
    print(f"stored in {given.out}")


if __name__ == "__main__":
    main()
