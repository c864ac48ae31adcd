"""What every number of the workbook has to be, by rnnjax's own rules and automatic differentiation.

Nothing here reads a formula: the deltas are gradients of the error with respect to zeros that are
added to the net inputs and to the inputs, and dw comes from the rules.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import scaled, scan
from rnnjax.decks import DataPairs
from rnnjax.decks.workbook.layout import COLUMN, HELD_OUT_COLUMN, WEIGHTS, Rows
from rnnjax.decks.workbook.parameters import as_params, network
from rnnjax.decks.workbook.sheets import HELD_OUT_HEADER
from rnnjax.rules import BPTT

LOSS = DataPairs().loss
RULES = {"rnn": BPTT(window=1), "rnn+et": BPTT(window=1), "rnn+et+dx": BPTT()}


def numbers(name, table, setting):
    """Return {address: number} of a sheet of training, inf and NaN where it must show an error."""
    rows = Rows(table.n_steps, int(table.used.sum()))
    batch = table.batch(used=True)
    columns = columns_of(name, batch, setting)
    columns["pair"] = np.repeat(np.flatnonzero(table.used) + 1, table.n_steps)
    found = {
        f"{COLUMN[key]}{rows.first + n}": value
        for key, values in columns.items() if key in COLUMN
        for n, value in enumerate(values.ravel())
    }  # fmt: skip
    found |= {"B3": columns["E"].sum() / rows.n_pairs, "B4": columns["new E"].sum() / rows.n_pairs}
    for n, weight in enumerate(WEIGHTS):
        column = COLUMN[f"d{weight.name}"]
        for t in range(table.n_steps):
            found[f"{column}{rows.mean + t}"] = columns["mean"][t, n]
            found[f"{column}{rows.multiplier + t}"] = columns["factor"][t, n]
            found[f"{column}{rows.scaled + t}"] = columns["scaled"][t, n]
        for k, key in enumerate(("total", "old", "new")):
            found[f"{column}{rows.total + k}"] = columns[key][n]
        found[weight.cell] = columns["new"][n]
    return found


def one_pair_numbers(setting, pair, *, exact):
    """Return {quantity: (T,)} of one pair, with leaves (1, T, ...), and the slope of E by w1,i3."""
    columns = columns_of("rnn+et+dx" if exact else "rnn", pair, setting)
    found = {key: np.asarray(values)[0] for key, values in columns.items() if np.ndim(values) == 2}
    return found, float(_slopes(setting.params, pair, setting.start).W[0, 2])


@jax.jit
@jax.grad
def _slopes(params, batch, start):
    return jnp.sum(_forward_columns(params, batch, start)["E"])


def held_out_numbers(table, setting):
    """Return {address: number} of the sheet of held-out pairs."""
    batch = table.batch(used=False)
    columns = dict(_forward_columns(setting.params, batch, setting.start))
    columns["pair"] = np.repeat(np.flatnonzero(~table.used) + 1, table.n_steps)
    found = {
        f"{HELD_OUT_COLUMN[key]}{HELD_OUT_HEADER + 1 + n}": value
        for key, values in columns.items() if key in HELD_OUT_COLUMN
        for n, value in enumerate(np.asarray(values).ravel())
    }  # fmt: skip
    return found | {"B3": np.asarray(columns["E"]).sum() / int((~table.used).sum())}


def _flat(params):
    """Return the weights in the order of the workbook along the last axis."""
    parts = []
    for weight in WEIGHTS:
        place = (weight.to - 1, weight.source - 1) if weight.source else (weight.to - 1,)
        parts.append(getattr(params, weight.matrix)[(..., *place)])
    return np.stack([np.asarray(part) for part in parts], axis=-1)


@jax.jit
def _forward_columns(params, batch, start):
    cell = network(start=start)
    out = jax.vmap(lambda x: scan.outputs(cell, params, x))(batch.x)
    fed_back = out[..., 1]
    i3 = jnp.concatenate([jnp.full_like(fed_back[:, :1], start), fed_back[:, :-1]], axis=1)
    x = jnp.concatenate([batch.x, i3[..., None]], axis=-1)
    net = jnp.einsum("jk,ptk->ptj", params.W, x) + params.b[None, None]
    h = cell.activation(net)
    neto = jnp.einsum("kj,ptj->ptk", params.V, h) + params.c[None, None]
    steps = jnp.arange(1, x.shape[1] + 1)
    columns = {"t": jnp.broadcast_to(steps, x.shape[:2])}
    columns |= {"E": 0.5 * jnp.sum((out - batch.y) ** 2, axis=-1)}
    parts = {"i": x, "y": batch.y, "net": net, "h": h, "neto": neto, "outo": out}
    for name, values in parts.items():
        columns |= {f"{name}{n + 1}": values[..., n] for n in range(values.shape[-1])}
    return columns


def _deltas(params, batch, start, *, exact):
    """Return do, dh and di of every step of one pair: derivatives by zeros added on the way."""

    def error(zeros):
        def step(previous, at):
            x, y, (on_x, on_net, on_neto) = at
            x = jnp.concatenate([x, previous[None]]) + on_x
            h = jax.nn.sigmoid(params.W @ x + params.b + on_net)
            out = jax.nn.sigmoid(params.V @ h + params.c + on_neto)
            fed_back = out[1] if exact else jax.lax.stop_gradient(out[1])
            return fed_back, 0.5 * jnp.sum((out - y) ** 2)

        return jnp.sum(jax.lax.scan(step, jnp.asarray(start), (batch.x, batch.y, zeros))[1])

    n_steps = len(batch.mask)
    di, dh, do = jax.grad(error)(tuple(jnp.zeros((n_steps, n)) for n in (3, 4, 2)))
    after = jnp.concatenate([di[1:, 2], jnp.zeros(1)])
    return {"di": di, "dh": dh, "do": do, "dx": after if exact else jnp.zeros(n_steps)}


@jax.jit
def _both(params, batch, start):
    """Return the deltas and dw of every pair and step, local and through time."""

    def one(pair, rule):
        deltas = _deltas(params, pair, start, exact=rule.exact)
        out = rule(network(start=start), LOSS, params, pair, (), per_step=True)
        return deltas, scaled.plain(out.grads)

    rules = (BPTT(window=1), BPTT())
    return [jax.vmap(lambda pair, rule=rule: one(pair, rule))(batch) for rule in rules]


def scaled_steps(name, steps):
    """Return factor and scaled dw of steps (T, n): the formula of the slides, in numpy."""
    factor = np.ones_like(steps)
    if name != "rnn":
        with np.errstate(divide="ignore", invalid="ignore"):
            factor[2:] = steps[1:-1] / steps[:-2]
    with np.errstate(invalid="ignore"):
        return factor, steps * factor


def columns_of(name, batch, setting):
    """Return {column: (P, T)}, dw of every weight, and mean, factor, scaled, total, old, new."""
    params, start = setting.params, setting.start
    columns = {k: np.asarray(v) for k, v in _forward_columns(params, batch, start).items()}
    deltas, dw = _both(params, batch, start)[RULES[name].exact]
    columns["dx"] = np.asarray(deltas["dx"])
    for key in ("do", "dh", "di"):
        values = np.asarray(deltas[key])
        columns |= {f"{key}{n + 1}": values[..., n] for n in range(values.shape[-1])}
    dw = _flat(dw)
    columns |= {f"d{w.name}": dw[..., n] for n, w in enumerate(WEIGHTS)}
    steps = sum(dw) / len(dw)
    factor, after = scaled_steps(name, steps)
    total, old = after.sum(axis=0), _flat(params)
    new = old - setting.eta * total
    columns |= {"mean": steps, "factor": factor, "scaled": after}
    columns |= {"total": total, "old": old, "new": new}
    changed = as_params(dict(zip(WEIGHTS, new, strict=True)))
    then = {k: np.asarray(v) for k, v in _forward_columns(changed, batch, start).items()}
    columns |= {f"new h{j}": then[f"h{j}"] for j in range(1, 5)}
    return columns | {"new out1": then["outo1"], "new out2": then["outo2"], "new E": then["E"]}
