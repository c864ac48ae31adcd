"""The figures of stored benchmarks, and one line of text a case.

Beside its peers: a, the time of each peer over that of rnnjax, to the right where rnnjax is faster,
with the goal as a tick; where the goal is a time, how many times that is. b, the share of the
machine's peak in products of matrices, where that is what the work consists of, and of its
memory's, where that bounds it.

Growth: seconds over units, steps and networks, with the power of the size that fits the larger half
of the sizes, and the expected power as a dotted line through the largest.
"""

import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7")
FASTER, SLOWER = "#0072B2", "#D55E00"
ALLOWED = "the time allowed"


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
        ratios = [_ratios(row) for row, _ in rows]
        places = _places(ratios)
        drawn = Figure(figsize=(figures.PAGE_WIDTH, 0.8 + 0.135 * (places[-1][-1] + 1)))
        left, right = drawn.subplots(1, 2, width_ratios=(2.6, 1), sharey=True)
        _draw_ratios(left, ratios, places)
        _draw_shares(right, rows, places)
        names = [textwrap.fill(row["case"], 56) for row, _ in rows]
        left.set_yticks([np.mean(at) for at in places], names, fontsize=7)
        left.set_ylim(places[-1][-1] + 0.8, -0.8)
        figures.letter_panels((left, right))
        figures.entitle(drawn, answer(ratios))
        figures.save_figure(drawn, folder, name)


def _places(ratios: list[dict[str, tuple[float, float | None]]]) -> list[list[float]]:
    """Return where the bars of each case lie, one below the other; a single one has more room."""
    ends = np.cumsum([max(1.5, len(row)) + 0.5 for row in ratios])
    return [
        [end - max(1.5, len(row)) - 0.5 + i + (len(row) < 2) / 4 for i in range(max(1, len(row)))]
        for end, row in zip(ends, ratios, strict=True)
    ]


def answer(ratios: list[dict[str, tuple[float, float | None]]]) -> str:
    """Return in a sentence how often rnnjax is faster than its peers and how many goals are met.

    Args:
        ratios: for each case and peer its time over that of rnnjax, and the goal or None.
    """
    of_peers = [pair for row in ratios for pair in row.items() if not pair[0].startswith("rnnjax")]
    beside = [ratio for name, (ratio, _) in of_peers if name != ALLOWED]
    goals = [(ratio, goal) for row in ratios for ratio, goal in row.values() if goal]
    told = []
    if beside:
        faster, middle = sum(ratio > 1 for ratio in beside), float(np.median(beside))
        told.append(
            f"rnnjax takes less time in {faster} of {len(beside)} comparisons "
            f"(median ratio {middle:.2g})"
        )
    if goals:
        told.append(f"{sum(ratio >= goal for ratio, goal in goals)} of {len(goals)} goals are met")
    return "; ".join(told) + "."


def _draw_growth(rows: list[dict[str, Any]], folder: Path, name: str) -> None:
    from matplotlib.figure import Figure

    from rnnjax import figures

    with figures.styled():
        overs = list(dict.fromkeys(row["growth"]["over"] for row in rows))
        drawn = Figure(figsize=(figures.PAGE_WIDTH, 2.6))
        powers: list[str] = []
        panels = drawn.subplots(1, len(overs), squeeze=False)[0]
        for ax, over in zip(panels, overs, strict=True):
            fitted = _draw_curves(ax, over, [row for row in rows if row["growth"]["over"] == over])
            powers.append(f"{over} {' and '.join(fitted)}")
        panels[0].set_ylabel("time (s)")
        figures.letter_panels(panels)
        figures.entitle(drawn, f"Powers of the time: {', '.join(powers)}")
        figures.save_figure(drawn, folder, name)


def _draw_curves(ax: Any, over: str, rows: list[dict[str, Any]]) -> list[str]:
    """Draw one curve a measure; return the fitted powers as text."""
    told = []
    for number, name in enumerate(dict.fromkeys(row["growth"]["of"] for row in rows)):
        points = [row for row in rows if row["growth"]["of"] == name]
        sizes, seconds, expected = curve(points)
        power = fitted_power(sizes, seconds)
        told.append(f"{power:.2f}")
        ax.plot(
            sizes, seconds, "os"[number % 2], color=COLOURS[number], markersize=3.5, linestyle="-",
            label=f"{name}: {power:.2f} (expected {expected:g})",
        )  # fmt: skip
        guide = seconds[-1] * (sizes / sizes[-1]) ** expected
        shown = guide > 0.5 * min(seconds)
        ax.plot(sizes[shown], guide[shown], ":", color="#808080", linewidth=0.8, zorder=0)
    ax.set(xscale="log", yscale="log", xlabel=over)
    ax.legend(fontsize=7, loc="upper left", title="power", alignment="left", title_fontsize=7)
    ax.margins(x=0.03)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * (high / low) ** 0.4)  # room for the legend
    return told


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
        found[ALLOWED] = (row["limit_seconds"] / row["seconds"]["rnnjax"], 1.0)
    return found


def _draw_ratios(
    ax: Any, rows: list[dict[str, tuple[float, float | None]]], places: list[list[float]]
) -> None:
    """Draw a bar a peer from 1, where both take as long, named with its ratio."""
    for at, row in zip(places, rows, strict=True):
        for y, (name, (ratio, goal)) in zip(at, row.items(), strict=False):  # some have no peer
            colour = FASTER if ratio > 1 else SLOWER
            ax.barh(y, ratio - 1, 0.8, left=1, color=colour)
            if goal:
                ax.plot([goal] * 2, [y - 0.5, y + 0.5], color="black")
            end = max(1.0, ratio, goal or 0)
            ax.annotate(f"{name}: {ratio:.3g}", (end, y), (4, 0), textcoords="offset points",
                        va="center", fontsize=6.5, color=colour)  # fmt: skip
    ax.set(xscale="log", xlabel="time of the other over that of rnnjax (black: goal)")
    ends = [end for row in rows for pair in row.values() for end in pair if end]
    low, high = min(1.0, *ends), max(1.0, *ends)
    ax.set_xlim(0.7 * low, high * (high / low) ** 0.45)  # room for the names
    ax.axvline(1, color="#b0b0b0", linewidth=0.5, zorder=0)


def _draw_shares(
    ax: Any, rows: list[tuple[dict[str, Any], dict[str, Any]]], places: list[list[float]]
) -> None:
    shares = {
        "products": ("gflop_per_second", "gemm_gflop_per_second", "#999999"),
        "memory": ("gb_per_second", "memory_gb_per_second", "#404040"),
    }
    shown = {name: s for name, s in shares.items() if any(s[0] in row for row, _ in rows)}
    height = 1.6 / max(len(shown), 1)
    highest = 100.0
    for i, (name, (rate, peak, colour)) in enumerate(shown.items()):
        ax.barh(0, 0, color=colour, label=name)
        for at, (row, machine) in zip(places, rows, strict=True):
            if rate in row:
                share = 100 * row[rate] / row.get(peak, machine[peak])
                y = float(np.mean(at)) + (i - (len(shown) - 1) / 2) * height
                ax.barh(y, share, height * 0.9, color=colour)
                highest = max(highest, share)
    ax.set(xlabel="share of peak (%)", xlim=(0, 1.03 * highest))
    ax.axvline(100, color="#b0b0b0", linewidth=0.5, zorder=0)
    if len(shown) > 1:
        ax.legend(fontsize=7, loc="lower right")
