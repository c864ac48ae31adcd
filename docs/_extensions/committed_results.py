"""The committed results with what their experiments say of them: the rows of gallery and table.

Imports neither JAX nor Sphinx. Themes order the experiments; one that no theme names is an error,
so that a new experiment has a place.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from rnnjax import catalog
from rnnjax.claims import Claim

RESULTS = Path(__file__).resolve().parents[2] / "results"

# Title, one sentence, experiments; in the order of the gallery.
THEMES = {
    "gradients": (
        "Gradients over lag",
        "How the norm of the gradient depends on the lag, on the gain and on the activation.",
        "gradient_norms scalar_products matrix_products gates curse_of_memory error_surface "
        "clipped_descent",
    ),
    "spectra": (
        "Spectra and chaos",
        "Lyapunov exponents, mean-field theory, and training with a penalty on exponents.",
        "lyapunov mean_field_map gradient_flossing flossed_training training_film",
    ),
    "rules": (
        "Learning rules",
        "Approximations of the gradient: their direction, their memory, and what they learn.",
        "rule_alignment add_task influence_balancing influence_seen forward_errors online_training",
    ),
    "cells": (
        "Cells and what they can learn",
        "Cells from the LSTM to DeltaNet, and classical problems with long lags.",
        "cell_gallery state_tracking trainability temporal_order long_lags",
    ),
    "decks": (
        "The two slide decks",
        "The examples and questions of two slide decks on recurrent networks.",
        "one_neuron one_neuron_gradient radar_points radar_cells radar_frames dinner "
        "childrens_book workbook eligibility_ratio delta_x first_step_weight training_variants",
    ),
}

# Results that another config of an experiment makes: what differs, and the command.
VARIANTS = {
    "gradient_norms_white_noise": (
        "gradient_norms", "white noise, T = 256", "rnnjax run gradient_norms --task white_noise",
    ),
    "lyapunov_wide": (
        "lyapunov", "1,024 units, against published spectra",
        "rnnjax run lyapunov --config experiments/lyapunov.wide.toml --out results/lyapunov_wide",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A committed result.

    Attributes:
      name: of its folder in results/.
      experiment: the name of its experiment.
      theme: a key of THEMES.
      question: the first line of the experiment's docstring; for a variant with what differs.
      command: the command that computes it.
      described: "Run time", "Figure", "Source" as the docstring has them.
      caption: the answer that stands beside the figure, "" where there is none.
    """

    name: str
    experiment: str
    theme: str
    question: str
    command: str
    described: dict[str, str]
    caption: str

    @property
    def folder(self) -> Path:
        """Where cube, figure and claims lie."""
        return RESULTS / self.name

    def claims(self) -> list[Claim]:
        """Return the recorded claims, in their order."""
        path = self.folder / "claims.json"
        if not path.exists():
            return []
        record = json.loads(path.read_text())
        rows = record["claims"] if isinstance(record, dict) else record
        return [_claim(row) for row in rows]


def _claim(row: dict) -> Claim:
    known = ("name", "measured", "expected", "relation", "tolerance", "source")
    return Claim(**{name: row[name] for name in known if name in row})


def found() -> list[Result]:
    """Return every committed result, in the order of the gallery.

    Raises:
      LookupError: no theme names the experiment of a result.
    """
    names = {path.parent.name for path in RESULTS.glob("*/cube.nc")}
    results = [_result(name, theme) for theme in THEMES for name in _names(theme) if name in names]
    if missing := sorted(names - {result.name for result in results}):
        raise LookupError(f"THEMES: expected a place for every result, got none for {missing}")
    return results


def _names(theme: str) -> list[str]:
    """Names of the results of a theme: each experiment, then its variants."""
    return [
        name
        for experiment in THEMES[theme][2].split()
        for name in (experiment, *(v for v, about in VARIANTS.items() if about[0] == experiment))
    ]


def _result(name: str, theme: str) -> Result:
    experiment, differs, command = VARIANTS.get(name, (name, "", f"rnnjax run {name}"))
    path = catalog.experiment_files()[experiment]
    question = catalog.question(path)
    caption = RESULTS / name / "caption.txt"
    return Result(
        name, experiment, theme, f"{question} ({differs})" if differs else question, command,
        catalog.described(path), caption.read_text().strip() if caption.exists() else "",
    )  # fmt: skip
