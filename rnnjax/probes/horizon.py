"""How far back the gradient of a sequence reaches, by the definitions of `rnnjax.analysis`."""

from rnnjax import analysis, boundary, masks
from rnnjax.probes.adjoint import log_norm_by_lag
from rnnjax.ranges import Number, arguments, refusal
from rnnjax.types import Array, Batch, Cell, Params, StepLoss

_FEWEST = 4  # steps: an e-folding time is that of at least 5 lags


@boundary.of_probe
@arguments(decades=Number(above=0))
def gradient_horizon(
    cell: Cell, loss: StepLoss | None, params: Params, batch: Batch, *, decades: float = 2.0
) -> dict[str, Array]:
    """Measure horizon and e-folding time of dL_T/dh_{T-k} over lags.

    Args:
      cell: the cell.
      loss: the loss of one step; None for pure transport.
      params: parameters.
      batch: one sequence, T >= 4.
      decades: the fall that defines the horizon.

    Returns:
      ``horizon`` and what `rnnjax.analysis.e_folding` returns.

    Raises:
      ValueError: an argument does not fit; the one-line message names it.
    """
    if (n_steps := len(batch.mask)) < _FEWEST:
        raise refusal(
            "batch",
            f"at least {_FEWEST} steps for an e-folding time",
            f"{n_steps} as in mask",
            shown_by=str,
        )
    log_norm = log_norm_by_lag(cell, loss, params, batch)["log_norm"]
    n_lags = masks.length(batch.mask)
    horizon = analysis.horizon(log_norm, decades, n_lags)
    return {"horizon": horizon, **analysis.e_folding(log_norm, n_lags)}
