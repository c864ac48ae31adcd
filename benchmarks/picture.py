"""The figures of stored benchmarks, and one line of text a case.

Beside its peers: a, how many times longer each peer takes than rnnjax, with the goal as a tick;
where the goal is a time, how many times that is. b, the share of the machine's peak in products of
matrices, where that is what the work consists of, and of its memory's, where that bounds it.

Growth: seconds over units, steps and networks, with the power of the size that fits the larger half
of the sizes, and the expected power as a dotted line through the largest.
"""

import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7",
    "#56B4E9", "#999999", "#000000", "#F0E442", "#8C6D31",
    "#6A3D9A", "#B2DF8A", "#7A1F3D", "#1B7F7A", "#F4A6A0",
)  # fmt: skip


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
    if "gb_per_second" in row:
        told.append(f"{row['gb_per_second']:.0f} GB/s")
    if "difference" in row:
        told.append(f"difference {row['difference']['value']:.1e} ({row['difference']['of']})")
    return "; ".join(told)


def draw(stored: Path) -> None:
    """Save the figures of a results file beside it, as PNG."""
    found = json.loads(stored.read_text())
    rows = [(row, machine) for machine in found.values() for row in machine["rows"]]
    beside_peers = [(row, machine) for row, machine in rows if "growth" not in row]
    if beside_peers:
        _draw_beside_peers(beside_peers, stored.parent, stored.stem)
    growing = [row for row, _ in rows if "growth" in row]
    if growing:
        _draw_growth(growing, stored.parent, f"{stored.stem}.growth")


def _draw_beside_peers(
    rows: list[tuple[dict[str, Any], dict[str, Any]]], folder: Path, name: str
) -> None:
    from matplotlib.figure import Figure

    from rnnjax import figures

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
        figures.save_figure(drawn, folder, name)


def _draw_growth(rows: list[dict[str, Any]], folder: Path, name: str) -> None:
    from matplotlib.figure import Figure

    from rnnjax import figures

    with figures.styled():
        overs = list(dict.fromkeys(row["growth"]["over"] for row in rows))
        drawn = Figure(figsize=(figures.PAGE_WIDTH, 2.6))
        panels = drawn.subplots(1, len(overs), squeeze=False)[0]
        for ax, over in zip(panels, overs, strict=True):
            _draw_curves(ax, over, [row for row in rows if row["growth"]["over"] == over])
        panels[0].set_ylabel("time (s)")
        figures.letter_panels(panels)
        figures.save_figure(drawn, folder, name)


def _draw_curves(ax: Any, over: str, rows: list[dict[str, Any]]) -> None:
    for number, name in enumerate(dict.fromkeys(row["growth"]["of"] for row in rows)):
        points = [row for row in rows if row["growth"]["of"] == name]
        sizes, seconds, expected = curve(points)
        power = fitted_power(sizes, seconds)
        ax.plot(
            sizes, seconds, "os"[number % 2], color=COLOURS[number], markersize=3.5, linestyle="-",
            label=f"{name}: power {power:.2f} ({expected:g})",
        )  # fmt: skip
        guide = seconds[-1] * (sizes / sizes[-1]) ** expected
        shown = guide > 0.5 * min(seconds)
        ax.plot(sizes[shown], guide[shown], ":", color="#808080", linewidth=0.8, zorder=0)
    ax.set(xscale="log", yscale="log", xlabel=over)
    ax.legend(fontsize=6, loc="upper left")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * (high / low) ** 0.25)  # room for the legend


def curve(rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the sizes of a curve, its seconds, and the power expected."""
    ordered = sorted(rows, key=lambda row: row["growth"]["at"])
    sizes = np.array([row["growth"]["at"] for row in ordered], float)
    seconds = np.array([row["seconds"]["rnnjax"] for row in ordered])
    return sizes, seconds, ordered[0]["growth"]["expected"]


def fitted_power(sizes: np.ndarray, seconds: np.ndarray) -> float:
    """Return the power of the size that fits the larger half of the sizes best."""
    few = max(2, (len(sizes) + 1) // 2)
    return float(np.polyfit(np.log(sizes[-few:]), np.log(seconds[-few:]), 1)[0])


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
    if any(goal for row in rows for _, goal in row.values()):
        ax.plot([], [], color="black", label="goal")
    ax.set(xscale="log", xlabel="time over that of rnnjax")
    ends = [end for row in rows for pair in row.values() for end in pair if end]
    ax.set_xlim(0.5 * min(1.0, *ends), 1.5 * max(1.0, *ends))
    ax.axvline(1, color="#b0b0b0", linewidth=0.5, zorder=0)


def _draw_shares(ax: Any, rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    shares = {
        "products": ("gflop_per_second", "gemm_gflop_per_second", "#999999"),
        "memory": ("gb_per_second", "memory_gb_per_second", "#404040"),
    }
    shown = {name: s for name, s in shares.items() if any(s[0] in row for row, _ in rows)}
    height = 0.8 / max(len(shown), 1)
    highest = 100.0
    for i, (name, (rate, peak, colour)) in enumerate(shown.items()):
        ax.barh(0, 0, color=colour, label=name)
        for place, (row, machine) in enumerate(rows):
            if rate in row:
                share = 100 * row[rate] / row.get(peak, machine[peak])
                y = place + (i - (len(shown) - 1) / 2) * height
                ax.barh(y, share, height * 0.9, color=colour)
                highest = max(highest, share)
    ax.set(xlabel="share of peak (%)", xlim=(0, 1.03 * highest))
    ax.axvline(100, color="#b0b0b0", linewidth=0.5, zorder=0)
    if len(shown) > 1:
        ax.legend(fontsize=6, loc="lower right")
