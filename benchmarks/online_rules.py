"""Time a step of every online rule, beside other implementations, and count what it keeps.

Command:   python benchmarks/online_rules.py [--quick] [--vanilla-rtrl FOLDER] [--out FILE.json]
           python benchmarks/online_rules.py --draw FILE.json
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


def _told():
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "jax": jax.__version__,
        "numpy": np.__version__,
        "device": jax.devices()[0].device_kind,
    }


def _line(found, n_h, name, row):
    """One rule at one size, with the ratios to its peers."""
    told = [
        f"n_h {n_h:4d}  {name:19s} online {row['online_us']:8.2f}  side {row['side_us']:7.2f}  "
        f"sequence {row['sequence_us']:8.2f} us a step, {row['state_bytes']} B"
    ]
    numpy_us = found["vanilla_rtrl"].get(str(n_h), {}).get(name)
    if numpy_us:
        told.append(f"vanilla-rtrl {numpy_us:.0f} us: {numpy_us / row['online_us']:.0f} x online, "
                    f"{numpy_us / row['side_us']:.0f} x side by side")  # fmt: skip
    braintrace_us = found["braintrace"].get(str(n_h), {}).get(name)
    if braintrace_us:
        ratio = braintrace_us / row["sequence_us"]
        told.append(f"braintrace {braintrace_us:.2f} us: {ratio:.1f} x over a sequence")
    return "; ".join(told)


STYLES = {
    "RTRL": ("#000000", "o"),
    "KF-RTRL": ("#E69F00", "s"),
    "reverse KF-RTRL": ("#E69F00", "D"),
    "UORO": ("#D55E00", "^"),
    "node perturbation": ("#CC79A7", "v"),
    "RFLO": ("#009E73", "P"),
    "SnAp-1": ("#0072B2", "X"),
    "e-prop": ("#56B4E9", "o"),
    "KeRNL": ("#009E73", "<"),
    "DNI": ("#999999", ">"),
    "truncated BPTT, 10": ("#56B4E9", "s"),
}


def draw(found, path):
    """Save the figure of stored results as PNG."""
    from matplotlib.figure import Figure

    from rnnjax import figures

    with figures.styled():
        drawn = Figure(figsize=(figures.PAGE_WIDTH, 3.0))
        panels = drawn.subplots(1, 3)
        for ax, key, place, label in (
            (panels[0], "side_us", 0, "time per step and network (us)"),
            (panels[1], "state_bytes", 1, "state (bytes)"),
        ):
            _draw_over_size(ax, found, key, place, label)
        _draw_ratios(panels[2], found)
        handles, labels = panels[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=4)
        figures.letter_panels(panels)
        figures.save_figure(drawn, path.parent, path.stem)


def _draw_over_size(ax, found, key, place, label):
    """One line a rule over n_h, and guides of the orders that occur."""
    sizes = sorted(int(n) for n in found["rnnjax"])
    for name, (colour, marker) in STYLES.items():
        values = [found["rnnjax"][str(n)].get(name, {}).get(key, np.nan) for n in sizes]
        ax.plot(sizes, values, color=colour, marker=marker, markersize=3.5, label=name)
    top = ax.get_ylim()[1]
    for order in sorted({orders[place] for orders in ORDERS.values()}):
        guide = top * 0.6 * (np.array(sizes) / sizes[-1]) ** float(order)
        ax.plot(sizes, guide, color="#b0b0b0", linewidth=0.8, linestyle=":", zorder=0)
        ax.annotate(f"$n_h^{order}$", (sizes[0], guide[0]), color="#808080", fontsize=7,
                    ha="right", va="center", xytext=(-2, 0), textcoords="offset points",
                    annotation_clip=True)  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="units $n_h$", ylabel=label)
    ax.set_xlim(sizes[0] * 0.62, sizes[-1] * 1.15)
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()


def _draw_ratios(ax, found):
    """The time of the other implementations over that of rnnjax."""
    sizes = sorted(int(n) for n in found["rnnjax"])
    pairs = (("vanilla_rtrl", "online_us", "-"), ("braintrace", "sequence_us", "--"))
    for peer, key, dashes in pairs:
        for name, (colour, marker) in STYLES.items():
            ratio = [
                found[peer].get(str(n), {}).get(name, np.nan)
                / found["rnnjax"][str(n)].get(name, {}).get(key, np.nan)
                for n in sizes
            ]
            ax.plot(sizes, ratio, color=colour, marker=marker, markersize=3.5, linestyle=dashes)
    ax.axhline(1, color="#b0b0b0", linewidth=0.5, zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="units $n_h$", ylabel="time of the other over ours")
    ax.set_xlim(sizes[0] * 0.85, sizes[-1] * 1.18)
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()


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
        draw(json.loads(given.draw.read_text()), given.draw)
        return
    sizes = (8,) if given.quick else given.sizes
    found = {**_told(), "n_side": N_SIDE, "orders": ORDERS, "rnnjax": {}}
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
    draw(found, given.out)
    print(f"stored in {given.out}")


if __name__ == "__main__":
    main()
