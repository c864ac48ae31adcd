"""The figure of stored benchmarks, and one line of text a case.

a: how many times longer each peer takes than rnnjax, with the goal as a tick; where the goal is a
time, how many times that is. b: the share of the
machine's peak in products of matrices, where that is what the work consists of.
"""

import json
import textwrap
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
    rows = [(row, machine) for machine in found.values() for row in machine["rows"]]
    with figures.styled():
        drawn = Figure(figsize=(figures.PAGE_WIDTH, 1.2 + 0.36 * len(rows)))
        left, right = drawn.subplots(1, 2, width_ratios=(3, 1), sharey=True)
        _draw_ratios(left, [_ratios(row) for row, _ in rows])
        _draw_shares(right, rows)
        names = [textwrap.fill(row["case"], 44) for row, _ in rows]
        left.set_yticks(range(len(rows)), names, fontsize=6)
        left.set_ylim(len(rows) - 0.4, -0.6)
        drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        figures.letter_panels((left, right))
        figures.save_figure(drawn, stored.parent, stored.stem)


def _ratios(row: dict[str, Any]) -> dict[str, tuple[float, float | None]]:
    """Return by peer how many times longer it takes, and the goal; the time allowed is one too."""
    found = {name: (ratio, row["goal"].get(name)) for name, ratio in row["ratio"].items()}
    if "limit_seconds" in row:
        found["the time allowed"] = (row["limit_seconds"] / row["seconds"]["rnnjax"], 1.0)
    return found


def _draw_ratios(ax: Any, rows: list[dict[str, tuple[float, float | None]]]) -> None:
    peers = list(dict.fromkeys(name for row in rows for name in row))
    labelled = set()
    for place, row in enumerate(rows):
        height = 0.8 / max(len(row), 1)
        for i, (name, (ratio, goal)) in enumerate(row.items()):
            y = place + (i - (len(row) - 1) / 2) * height
            colour = COLOURS[peers.index(name) % len(COLOURS)]
            ax.barh(y, ratio, height * 0.9, color=colour, label="" if name in labelled else name)
            labelled.add(name)
            if goal:
                ax.plot([goal] * 2, [y - height / 2, y + height / 2], color="black")
    ax.plot([], [], color="black", label="goal")
    ax.set(xscale="log", xlabel="time over that of rnnjax")
    ax.set_xlim(0.5 * min(1.0, *(ratio for row in rows for ratio, _ in row.values())))
    ax.axvline(1, color="#b0b0b0", linewidth=0.5, zorder=0)


def _draw_shares(ax: Any, rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    for place, (row, machine) in enumerate(rows):
        if "gflop_per_second" in row:
            share = row["gflop_per_second"] / machine["gemm_gflop_per_second"]
            ax.barh(place, 100 * share, 0.7, color="#999999")
    ax.set(xlabel="products: share of peak (%)", xlim=(0, 100))
