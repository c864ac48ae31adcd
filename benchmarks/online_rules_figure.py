"""The figure of the online rules: time and state over n_h with the orders of theory, and peers."""

import numpy as np

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
        figures.entitle(drawn, answer(found))
        figures.save_figure(drawn, path.parent, path.stem)


def answer(found):
    """The time per step of RTRL and of the other online rules at the largest size."""
    largest = max(found["rnnjax"], key=int)
    times = {name: of["side_us"] for name, of in found["rnnjax"][largest].items() if name in STYLES}
    others = [us for name, us in times.items() if name != "RTRL" and "BPTT" not in name]
    span = f"{min(others):.0f} to {max(others):.0f} us"
    rtrl = f"{times['RTRL']:,.0f} us" if "RTRL" in times else "not measured"
    return f"At n_h = {largest} a step of RTRL takes {rtrl}, of the other online rules {span}."


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
    pairs = tuple(pair for pair in pairs if any(found[pair[0]].values()))  # peers of this run
    for peer, _, dashes in pairs:
        ax.plot([], [], color="#606060", linestyle=dashes, label=peer)
    ax.legend(fontsize=7, loc="upper left")
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
