"""Layers that differ in every size stand side by side in one dataset."""

import numpy as np

from rnnjax.diagnosis.dataset import ALONE, BY_EXAMPLE, dataset_of

SIZES = {"lag": 5, "step": 4, "window": 3, "exponent": 2, "span": 3, "direction": 2, "unit": 6}
TEXTS = {"non_finite_forward_at", "non_finite_backward_at", "activation", "line", "state"}
OF_STATE = ("gate_shut_share", "gate_open_share", "gate_mean")


def rows(n_units, n_states, shorter=0):
    """As many activations as units, and gates for each entry of the state."""
    found = {}
    for name, told in {**BY_EXAMPLE, **ALONE}.items():
        units = n_states if name in OF_STATE else n_units
        sizes = SIZES | {"unit": units, "lag": SIZES["lag"] - shorter}
        shape = tuple(sizes[dim] for dim in told.dims)
        shape = (2, *shape) if name in BY_EXAMPLE else shape
        found[name] = np.full(shape, "a", object) if name in TEXTS else np.ones(shape)
    return found


def test_units_and_state_entries_may_differ_in_number():
    """A linear step has no activation, a projected LSTM more of them than entries."""
    layers = {"linear": rows(0, 3), "projected": rows(6, 5), "short": rows(1, 2, shorter=2)}
    data = dataset_of(layers, {"loss": np.ones(2), "log_norm_gradient": np.ones(2)}, {})
    assert data.sizes["unit"] == 6 and data.sizes["lag"] == 5
    counts = {
        name: data[name].notnull().sum("unit").values.tolist() for name in ("flat_share", *OF_STATE)
    }
    assert counts == {"flat_share": [0, 6, 1], **{key: [3, 5, 2] for key in OF_STATE}}
    assert (data["activation"] == "a").sum("unit").values.tolist() == [0, 6, 1]
    assert data["log_norm_by_lag"].notnull().sum("lag").values.tolist() == [[5, 5], [5, 5], [3, 3]]
