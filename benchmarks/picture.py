"""The figure of stored benchmarks, and one line of text a case.

a: how many times longer each peer takes than rnnjax, with the goal as a tick. b: the share of the
machine's peak in products of matrices, where that is what the work consists of.
"""

import json
from pathlib import Path
from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")


def line(row: dict[str, Any]) -> str:
    """Return a row of the report as text."""
    told = [f"  {row['case']}: rnnjax {row['seconds']['rnnjax']:.3g} s"]
    for name, ratio in row["ratio"].items():
        goal = f" (goal {row['goal'][name]:g})" if name in row["goal"] else ""
        told.append(f"{name} {row['seconds'][name]:.3g} s, {ratio:.3g} times as long{goal}")
    if "limit_seconds" in row:
        told.append(f"goal at most {row['limit_seconds']:g} s")
    if "gflop_per_second" in row:
        told.append(f"{row['gflop_per_second']:.0f} GFLOP/s")
    if "difference" in row:
        told.append(f"difference {row['difference']['value']:.1e} ({row['difference']['of']})")
    return "; ".join(told)


def draw(stored: Path) -> None:
    """Save the figure of a results file beside it, as PNG and PDF."""
    from matplotlib.figure import Figure

    from rnnjax import figures

    found = json.loads(stored.read_text())
    rows = [(row, found[name]) for name in found for row in found[name]["rows"]]
    with figures.styled():
        drawn = Figure(figsize=(figures.PAGE_WIDTH, 0.9 + 0.34 * len(rows)))
        left, right = drawn.subplots(1, 2, width_ratios=(3, 1), sharey=True)
        _draw_ratios(left, [row for row, _ in rows])
        _draw_shares(right, rows)
        left.set_yticks(range(len(rows)), [row["case"] for row, _ in rows], fontsize=7)
        left.invert_yaxis()
        figures.letter_panels((left, right))
        figures.save_figure(drawn, stored.parent, stored.stem)


def _draw_ratios(ax: Any, rows: list[dict[str, Any]]) -> None:
    peers = list(dict.fromkeys(name for row in rows for name in row["ratio"]))
    for place, row in enumerate(rows):
        height = 0.8 / max(len(row["ratio"]), 1)
        for i, (name, ratio) in enumerate(row["ratio"].items()):
            y = place + (i - (len(row["ratio"]) - 1) / 2) * height
            ax.barh(y, ratio, height * 0.9, color=COLOURS[peers.index(name) % len(COLOURS)])
            if name in row["goal"]:
                ax.plot([row["goal"][name]] * 2, [y - height / 2, y + height / 2], color="black")
    for i, name in enumerate(peers):
        ax.barh([-1], [1], color=COLOURS[i % len(COLOURS)], label=name)
    ax.plot([], [], color="black", label="goal")
    ax.set(xscale="log", xlabel="time of the peer over that of rnnjax")
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.axvline(1, color="#b0b0b0", linewidth=0.5, zorder=0)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25 / len(rows) ** 0.5), ncols=3)


def _draw_shares(ax: Any, rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    for place, (row, machine) in enumerate(rows):
        if "gflop_per_second" in row:
            share = row["gflop_per_second"] / machine["gemm_gflop_per_second"]
            ax.barh(place, 100 * share, 0.7, color="#999999")
    ax.set(xlabel="share of the peak (%)", xlim=(0, 100))
