"""The subjects of the fuzzer, each with the oracle that gives its reference values.

A subject is (run, expected): `run(cell, loss, params, batch)` calls the library in the dtype of the
case, `expected(cell, loss, params, batch, table)` the oracle in float64. Both return a dict of
trees of arrays; the oracle returns with each leaf the size to which a difference is compared.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from rnnjax import decks, dynamics, probes, rules, scaled
from rnnjax.losses import cross_entropy, squared_error
from tests.fuzz import cells, oracles


class Subject(NamedTuple):
    """See the module's docstring; `fits` returns whether it applies to a cell and a length."""

    run: Callable[..., dict[str, Any]]
    expected: Callable[..., dict[str, Any]]
    fits: Callable[[Any, int], bool] = lambda cell, n_steps: True
    float64_only: bool = False
    compiled: bool = True  # whether the oracle may be traced; False if it needs concrete values


def loss_of(labels: bool) -> Any:
    """The loss of a case."""
    return cross_entropy if labels else squared_error


def is_complex(cell: Any) -> bool:
    """Whether the state is complex."""
    return jnp.iscomplexobj(cell.initial_state())


def _lags(n: int) -> np.ndarray:
    return np.arange(n)[:, None] - np.arange(n)[None]


def _by_lags(rule: Any, weights: Callable[[int], np.ndarray]) -> Subject:
    """A rule whose gradient is a weighted sum over the table."""
    axis = {"use": 0, "loss": 1}[rule.step_axis]

    def run(cell: Any, loss: Any, params: Any, batch: Any) -> dict[str, Any]:
        state = rule.init(cell, params, batch)
        whole = rule(cell, loss, params, batch, state)
        steps = rule(cell, loss, params, batch, state, per_step=True)
        return {
            "loss": whole.loss,
            "gradient": scaled.plain(whole.grads),
            "steps": scaled.plain(steps.grads),
        }

    def expected(cell: Any, loss: Any, params: Any, batch: Any, table: Any) -> dict[str, Any]:
        share = jnp.asarray(weights(len(batch.mask)), float)
        size = jax.tree.map(jnp.abs, table.by_use)
        return {
            "loss": (jnp.sum(table.losses), jnp.sum(jnp.abs(table.losses))),
            "gradient": (oracles.weighed(table.by_use, share), oracles.weighed(size, share)),
            "steps": (
                oracles.weighed(table.by_use, share, axis),
                jax.tree.map(lambda a: a.max(), oracles.weighed(size, share)),
            ),
        }

    return Subject(run, expected)


def _causal(power: Callable[[np.ndarray], np.ndarray]) -> Callable[[int], np.ndarray]:
    return lambda n: np.where(_lags(n) >= 0, power(np.maximum(_lags(n), 0)), 0)


def _blocks(size: int) -> Callable[[int], np.ndarray]:
    def weights(n: int) -> np.ndarray:
        block = np.arange(n) // size
        return (block[:, None] == block[None]) & (_lags(n) >= 0)

    return weights


def _local(rule: Any, kept: Callable[..., Any], fits: Callable[..., bool]) -> Subject:
    """A rule that keeps a part of the Jacobian, or of the influence: M = S (D + K M)."""

    def run(cell: Any, loss: Any, params: Any, batch: Any) -> dict[str, Any]:
        whole = rule(cell, loss, params, batch, rule.init(cell, params, batch))
        return {"gradient": scaled.plain(whole.grads)}

    def expected(cell: Any, loss: Any, params: Any, batch: Any, table: Any) -> dict[str, Any]:
        n, h_0 = len(batch.mask), cell.initial_state()
        M = jax.tree.map(lambda p: jnp.zeros((h_0.size, *p.shape)), params)
        total = size = jax.tree.map(jnp.zeros_like, params)
        h = h_0
        for t in range(n):
            x = jnp.where(t < table.length, batch.x[t], 0)
            D = oracles.direct(cell, params, h, x)
            K, S = kept(cell, params, table.jacobians[t], h, x)
            M = jax.tree.map(lambda D, M, S, K=K: S * (D + jnp.tensordot(K, M, 1)), D, M, S)
            h = table.states[t]
            weighs = batch.mask[t] != 0
            y = jnp.where(weighs, batch.y[t], 0)

            def at(p: Any, h: Any, y: Any = y) -> Any:
                return loss(cell.readout(p, h), y)

            by_p, g = jax.grad(at, (0, 1))(params, h)
            share = jnp.where(weighs, jnp.where(weighs, batch.mask[t], 0), 0)
            part = jax.tree.map(
                lambda r, M, g=g, share=share: share * (r + jnp.tensordot(g, M, 1)), by_p, M
            )
            total = jax.tree.map(jnp.add, total, part)
            size = jax.tree.map(
                lambda s, r, M, g=g, share=share: (
                    s + jnp.abs(share) * (jnp.abs(r) + jnp.tensordot(jnp.abs(g), jnp.abs(M), 1))
                ),
                size,
                by_p,
                M,
            )
        return {"gradient": (total, size)}

    return Subject(run, expected, fits)


def _ones(params: Any, n: int) -> Any:
    return jax.tree.map(lambda p: jnp.ones((n, *[1] * p.ndim)), params)


def _beside_preactivation(cell: Any, params: Any, J: Any, h: Any, x: Any) -> tuple[Any, Any]:
    z = cell.recurrent_weights(params) @ cell.presynaptic(h) + cell.drive(params, x)
    K = jax.jacfwd(lambda h: cell.step_from_preactivation(h, z))(h)
    return K, _ones(params, len(J))


def _of_units(cell: Any, params: Any, J: Any, h: Any, x: Any) -> tuple[Any, Any]:
    m = dynamics.entries_per_unit(cell)
    own = jnp.tile(jnp.eye(len(J) // m), (m, m))
    return own * J, _ones(params, len(J))


def _of_pattern(cell: Any, params: Any, J: Any, *_: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    small = jax.tree.map(lambda p: jnp.asarray(rng.uniform(0.05, 0.1, p.shape)), params)
    h = jnp.asarray(rng.uniform(0.05, 0.1, len(J)))
    D = oracles.direct(cell, small, h, jnp.asarray(rng.uniform(0.05, 0.1, cell.n_x)))
    return J, jax.tree.map(lambda d: (d != 0).astype(float), D)


def _is_real(cell: Any, n_steps: int) -> bool:
    return not is_complex(cell)


def _has_preactivation(cell: Any, n_steps: int) -> bool:
    return dynamics.has_preactivation(cell)


def _lag_norms(given: bool) -> Subject:
    """Log-norms by lag and by length, of a loss or of pure transport."""

    def run(cell: Any, loss: Any, params: Any, batch: Any) -> dict[str, Any]:
        loss = loss if given else None
        return {
            **probes.log_norm_by_lag(cell, loss, params, batch),
            **probes.log_norm_by_length(cell, loss, params, batch),
        }

    def expected(cell: Any, loss: Any, params: Any, batch: Any, table: Any) -> dict[str, Any]:
        n, length = len(batch.mask), int(table.length)
        # One row for each step whose loss is differentiated; there is none after the end.
        rows = table.deltas if given else _transported(table)
        log = _log_norm(rows)
        lags = np.full(n + 1, np.nan)
        lags[: length + 1] = log[length - 1, : length + 1][::-1]
        by_length = np.where(np.arange(n) < length, log[:, 0], np.nan)
        # The oracle has no target at steps without weight: inf excludes them.
        by_length = np.where((batch.mask != 0) | (not given), by_length, np.inf)
        return {"log_norm": (lags, 1.0), "log_norm_by_length": (by_length, 1.0)}

    return Subject(run, expected, compiled=False)


def _log_norm(rows: np.ndarray) -> np.ndarray:
    """Return ln |v| of each row, scaled so that no square leaves the range of the dtype."""
    most = np.max(np.abs(rows), axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        share = rows / np.where(most == 0, 1, most)
        return np.log(most[..., 0]) + np.log(np.linalg.norm(share, axis=-1))


def _transported(table: Any) -> np.ndarray:
    """d u.h_s / d h_t in the real view, (T, T + 1, n), u the unit vector."""
    n, size = table.jacobians.shape[:2]
    n_h = size // 2 if np.iscomplexobj(table.states) else size
    u = np.concatenate([np.full(n_h, n_h**-0.5), np.zeros(size - n_h)])
    rows = np.zeros((n, n + 1, size))
    for s in range(n):
        delta = rows[s, s + 1] = u
        for t in range(s, -1, -1):
            delta = rows[s, t] = table.jacobians[t].T @ delta
    return rows


def _contributions() -> Subject:
    def run(cell: Any, loss: Any, params: Any, batch: Any) -> dict[str, Any]:
        found = probes.step_contributions(cell, loss, params, batch)
        return {"log_contribution": found["log_contribution"]}

    def expected(cell: Any, loss: Any, params: Any, batch: Any, table: Any) -> dict[str, Any]:
        steps = oracles.weighed(table.by_use, jnp.ones((len(batch.mask),) * 2), 0)
        flat = [np.reshape(a, (len(a), -1)) for a in jax.tree.leaves(steps)]
        return {"log_contribution": (_log_norm(np.concatenate(flat, axis=1)), 1.0)}

    return Subject(run, expected, compiled=False)


def _spectra() -> Subject:
    """The sum of the exponents, and the largest singular value of the Jacobian product by lag."""

    def run(cell: Any, loss: Any, params: Any, batch: Any) -> dict[str, Any]:
        found = probes.lyapunov_spectrum(cell, None, params, batch)
        values = probes.log_singular_values(cell, None, params, batch)["log_singular_values"]
        return {"sum": jnp.sum(found["exponents"]), "values": values[:, 0]}

    def expected(cell: Any, loss: Any, params: Any, batch: Any, table: Any) -> dict[str, Any]:
        length, n = int(table.length), len(batch.mask)
        J = table.jacobians[:length]
        logs = np.linalg.slogdet(J)[1]
        # n complex directions of a holomorphic step stand for 2 n real ones.
        halved = 2 if _counts_complex(cell) else 1
        product, values = np.eye(J.shape[-1]), np.full(n, np.nan)
        with np.errstate(divide="ignore"):
            for lag, t in enumerate(range(length - 1, -1, -1)):
                product = product @ J[t]
                values[lag] = np.log(np.linalg.norm(product, 2))
        total = np.sum(logs) / length / halved
        # A determinant that is dominated by rounding gives no reference: inf excludes it.
        total = total if np.all(np.linalg.cond(J) < 1e8) else np.inf
        return {"sum": (total, 1.0), "values": (values, 1.0)}

    def fits(cell: Any, n_steps: int) -> bool:
        return n_steps <= 5

    return Subject(run, expected, fits, float64_only=True, compiled=False)


def _counts_complex(cell: Any) -> bool:
    return is_complex(cell) and not isinstance(cell, cells.Modulated)


def _window_of_lags() -> Subject:
    """The gradient of the last loss by lag of use, from a backward and a forward rule."""

    def run(cell: Any, loss: Any, params: Any, batch: Any) -> dict[str, Any]:
        edges = [0, 1, len(batch.mask)] if len(batch.mask) > 1 else [0, 1]
        found = {}
        for name, rule in (("use", rules.BPTT()), ("loss", rules.RTRL())):
            state = rule.init(cell, params, batch)
            found[name] = jax.vmap(scaled.shift)(
                *_parts(rules.gradient_by_lag(rule, cell, loss, params, batch, state, edges))
            )
        return found

    def expected(cell: Any, loss: Any, params: Any, batch: Any, table: Any) -> dict[str, Any]:
        n, last = len(batch.mask), int(table.length) - 1
        read = _read(cell, params, batch.x[0])
        rows = [jax.tree.leaves(table.by_use)[i][last].reshape(n, -1) for i in read]
        # The last step's copy of the weights also enters its readout, which is no recurrent use.
        rows = np.concatenate(rows, axis=1)
        lag = last - np.arange(n)
        first, rest = rows[lag == 0].sum(axis=0), rows[lag >= 1].sum(axis=0)
        found = np.stack([first, rest]) if n > 1 else first[None]
        size = np.sum(np.abs(rows))
        return {"use": (found, size), "loss": (found, size)}

    def fits(cell: Any, n_steps: int) -> bool:
        # In a Jordan network some weights are read both by the step and by the readout.
        return not isinstance(cell, rnnjax.Jordan)

    return Subject(run, expected, fits, compiled=False)


def _parts(number: Any) -> tuple[Any, Any]:
    return number.value, number.exponent


def _read(cell: Any, params: Any, x: Any) -> list[int]:
    leaves, structure = jax.tree.flatten(params)
    h = cell.initial_state()
    jaxpr = jax.make_jaxpr(lambda *p: cell.step(jax.tree.unflatten(structure, p), h, x))(*leaves)
    used = {id(v) for eqn in jaxpr.jaxpr.eqns for v in eqn.invars}
    return [i for i, v in enumerate(jaxpr.jaxpr.invars) if id(v) in used]


def _derivatives() -> Subject:
    """First and second derivatives of results of the library, in forward and reverse mode."""

    def run(cell: Any, loss: Any, params: Any, batch: Any) -> dict[str, Any]:
        def square(p: Any) -> Any:
            return jnp.sum(jnp.where(batch.mask != 0, _size(rnnjax.outputs(cell, p, _x(batch))), 0))

        def of_rule(p: Any) -> Any:
            return rules.BPTT()(cell, loss, p, batch).loss

        def gradient(p: Any) -> Any:
            return scaled.plain(rules.BPTT()(cell, loss, p, batch).grads)

        along = jax.tree.map(jnp.ones_like, params)
        return {
            "outputs": jax.grad(square)(params),
            "outputs forward": jax.jvp(square, (params,), (along,))[1],
            "loss": jax.grad(of_rule)(params),
            "twice": jax.jvp(jax.grad(of_rule), (params,), (along,))[1],
            "gradient": jax.jvp(gradient, (params,), (along,))[1],
        }

    def expected(cell: Any, loss: Any, params: Any, batch: Any, table: Any) -> dict[str, Any]:
        weighs = batch.mask != 0

        def states(p: Any) -> Any:
            def step(h: Any, at: Any) -> tuple[Any, Any]:
                x, inside = at
                h = jnp.where(inside, cell.step(p, h, x), h)
                return h, h

            inside = jnp.arange(len(weighs)) < table.length
            x = jnp.where(inside[:, None], batch.x, 0)
            return jax.lax.scan(step, cell.initial_state(), (x, inside))[1]

        def square(p: Any) -> Any:
            outputs = jax.vmap(lambda h: cell.readout(p, h))(states(p))
            return jnp.sum(jnp.where(weighs, _size(outputs), 0))

        def total(p: Any) -> Any:
            y = jnp.where(weighs.reshape(-1, *[1] * (batch.y.ndim - 1)), batch.y, 0)
            each = jax.vmap(lambda h, y: loss(cell.readout(p, h), y))(states(p), y)
            return jnp.sum(jnp.where(weighs, jnp.where(weighs, batch.mask, 0) * each, 0))

        along = jax.tree.map(jnp.ones_like, params)
        first, second = jax.grad(square)(params), jax.jvp(jax.grad(total), (params,), (along,))[1]
        slope = jax.jvp(square, (params,), (along,))[1]
        sized = [
            (first, _most(first)),
            (slope, 1 + jnp.abs(slope)),
            _sized(jax.grad(total)(params)),
        ]
        names = ("outputs", "outputs forward", "loss", "twice", "gradient")
        return dict(zip(names, [*sized, _sized(second), _sized(second)], strict=True))

    return Subject(run, expected, float64_only=True)


def _x(batch: Any) -> Any:
    inside = jnp.arange(len(batch.mask)) < jnp.max(
        jnp.where(batch.mask != 0, jnp.arange(1, len(batch.mask) + 1), 0)
    )
    return jnp.where(inside[:, None], batch.x, 0)


def _size(y: Any) -> Any:
    return jnp.sum(jnp.abs(y) ** 2, axis=-1)


def _most(tree: Any) -> Any:
    largest = [jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)]
    return 1e-9 + functools.reduce(jnp.maximum, largest)


def _sized(tree: Any) -> tuple[Any, Any]:
    return tree, _most(tree)


def _fillers(rule: Any, fits: Callable[..., bool]) -> Subject:
    """A rule compared with itself: the values in the padding must not change the result."""

    def gradient(cell: Any, loss: Any, params: Any, batch: Any) -> Any:
        state = rule.init(cell, params, batch, jax.random.key(7))
        whole = rule(cell, loss, params, batch, state)
        steps = rule(cell, loss, params, batch, state, per_step=True).grads
        return whole, scaled.plain(scaled.sum_over_leading(steps))

    def run(cell: Any, loss: Any, params: Any, batch: Any) -> dict[str, Any]:
        whole, steps = gradient(cell, loss, params, batch)
        learned = getattr(whole.state, "learned", ())
        return {"gradient": scaled.plain(whole.grads), "steps": steps, "learned": learned}

    def expected(cell: Any, loss: Any, params: Any, batch: Any, table: Any) -> dict[str, Any]:
        weighs = batch.mask != 0
        y = jnp.where(weighs.reshape(-1, *[1] * (batch.y.ndim - 1)), batch.y, 0)
        clean = batch.replace(x=_x(batch), y=y)
        whole, _ = gradient(cell, loss, params, clean)
        grads = scaled.plain(whole.grads)
        learned = getattr(whole.state, "learned", ())
        return {
            "gradient": (grads, _most(grads)),
            "steps": (grads, _most(grads)),
            "learned": (learned, 1.0),
        }

    return Subject(run, expected, fits, float64_only=True)


def _training() -> Subject:
    """Two updates of plain gradient descent, against the conjugate of JAX's gradient."""

    def run(cell: Any, loss: Any, params: Any, batch: Any) -> dict[str, Any]:
        import optax

        task = _Fixed(batch, loss)
        sequences = jax.tree.map(lambda a: a[None], batch)
        trained = rnnjax.fit(
            cell, task, rules.BPTT(), optax.sgd(1e-2), jax.random.key(0),
            n_updates=2, batch=sequences, params=params,
        )  # fmt: skip
        return {"params": trained.params}

    def expected(cell: Any, loss: Any, params: Any, batch: Any, table: Any) -> dict[str, Any]:
        ones = jnp.ones((len(batch.mask),) * 2)
        for _ in range(2):
            by_use = oracles.table(cell, loss, params, batch).by_use
            params = jax.tree.map(
                lambda p, g: p - 1e-2 * g.conj(), params, oracles.weighed(by_use, ones)
            )
        return {"params": _sized(params)}

    return Subject(run, expected, lambda cell, n_steps: n_steps <= 3, float64_only=True)


class _Fixed(NamedTuple):
    """A task that always gives one sequence."""

    batch: Any
    loss: Any

    def sample(self, key: Any) -> Any:
        return self.batch


def _not_jordan(cell: Any, n_steps: int) -> bool:
    return not isinstance(cell, rnnjax.Jordan)


def _sums(cell: Any, n_steps: int) -> bool:
    return dynamics.has_preactivation(cell)


SUBJECTS: dict[str, Subject] = {
    "BPTT": _by_lags(rules.BPTT(), _causal(np.ones_like)),
    "BPTT in segments": _by_lags(rules.BPTT(segment=3), _causal(np.ones_like)),
    "BPTT, window 2": _by_lags(rules.BPTT(window=2), _causal(lambda lag: (lag < 2) * 1.0)),
    "BPTT, decay 0.6": _by_lags(rules.BPTT(decay=0.6), _causal(lambda lag: 0.6**lag)),
    "RTRL": _by_lags(rules.RTRL(), _causal(np.ones_like)),
    "DiscountedRTRL 0.6": _by_lags(rules.DiscountedRTRL(0.6), _causal(lambda lag: 0.6**lag)),
    "SnAp 20": _by_lags(rules.SnAp(20), _causal(np.ones_like)),
    "TruncatedBPTT 2": _by_lags(rules.TruncatedBPTT(2), _blocks(2)),
    "EProp": _local(rules.EProp(), _of_units, _is_real),
    "SnAp 1": _local(rules.SnAp(1), _of_pattern, _is_real),
    "RFLO": _local(rules.RFLO(), _beside_preactivation, _has_preactivation),
    "norms of a loss": _lag_norms(True),
    "norms of transport": _lag_norms(False),
    "contributions": _contributions(),
    "spectra": _spectra(),
    "by lag": _window_of_lags(),
    "derivatives": _derivatives(),
    "training": _training(),
    "UORO": _fillers(rules.UORO(), lambda *_: True),
    "KeRNL": _fillers(rules.KeRNL(), lambda *_: True),
    "DNI": _fillers(rules.DNI(), lambda *_: True),
    "NodePerturbation": _fillers(rules.NodePerturbation(), lambda *_: True),
    "KFRTRL": _fillers(rules.KFRTRL(), _sums),
    "ReverseKFRTRL": _fillers(rules.ReverseKFRTRL(), _sums),
    "StaleDeltaX": _fillers(decks.StaleDeltaX(), lambda *_: True),
    "ForwardDeltaX": _fillers(decks.ForwardDeltaX(), lambda *_: True),
}
