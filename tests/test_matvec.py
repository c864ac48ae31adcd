"""Products of weights and vectors: their values, and that no scan copies a weight at every step."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import adjoint
from rnnjax.matvec import matvec
from tests import discovery

N, T = 48, 5
CELLS = discovery.cells_found(n_x=7, n_h=N, n_y=5, n_units=N, n_hidden=N)


@pytest.mark.parametrize(
    ("W", "x"),
    [(np.ones((3, 2)), np.arange(2)), (np.eye(2), 1j * np.ones((4, 2))),
     (np.ones((3, 2), np.float32), np.ones((5, 4, 2)))],
)  # fmt: skip
def test_the_product_is_that_of_numpy_in_its_dtype(W, x):
    expected = x @ W.T
    found = matvec(jnp.asarray(W), jnp.asarray(x))
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def in_loops(program):
    """The instructions of a compiled program that run at every step of a scan."""
    computations, name = {}, ""
    for line in program.splitlines():
        if found := re.match(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            name = found[1]
        computations.setdefault(name, []).append(line)
    open_, within = set(re.findall(r"body=%?([\w.\-]+)", program)), set()
    while open_:
        within |= open_
        called = (re.findall(r"(?:calls|to_apply|body)=%?([\w.\-]+)", line)
                  for name in open_ for line in computations[name])  # fmt: skip
        open_ = {name for names in called for name in names} - within
    return [line for name in within for line in computations[name]]


def copies_of(shapes, program):
    """The copies and transposes of arrays of these shapes, either way round, within scans."""
    copied = (re.match(r"\s*(?:ROOT )?\S+ = \w+\[([\d,]+)\]\S* (?:copy|transpose)\(", line)
              for line in in_loops(program))  # fmt: skip
    return [m[0] for m in copied if m and sorted(map(int, m[1].split(","))) in shapes]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in ("Vanilla", "LSTM") else pytest.mark.wide)
     for name in CELLS.data],
)  # fmt: skip
def test_no_scan_copies_a_weight_at_every_step(name):
    cell = CELLS[name]
    params = cell.init(jax.random.key(0))
    batch = rnnjax.Batch(jnp.ones((T, 7)), jnp.zeros((T, 5)), jnp.ones(T))
    shapes = [sorted(w.shape) for w in jax.tree.leaves(params) if w.ndim == 2 and w.size > N]

    def deltas(params, batch):
        return adjoint.adjoint(cell, None, params, batch)

    program = jax.jit(deltas).lower(params, batch).compile().as_text()
    assert "while(" in program
    assert not copies_of(shapes, program)


def test_such_a_copy_is_found():
    """Beside a second product XLA turns a weight that is written as its transpose."""

    def run(W, U, x):
        def step(h, x):
            h = jnp.tanh(h @ W.T + x @ U.T)
            return h, h

        return jax.lax.scan(step, jnp.zeros(N), x)

    program = jax.jit(run).lower(jnp.ones((N, N)), jnp.ones((N, 7)), jnp.ones((T, 7))).compile()
    assert copies_of([[N, N]], program.as_text())
