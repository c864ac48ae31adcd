"""What do long products of random matrices do that one matrix and its eigenvalues do not tell?

Command:   rnnjax run matrix_products
Run time:  about 70 seconds on 2 cores, compiling included.
Figure:    W_ij ~ N(0, g^2/n). a: share of Lyapunov exponents of products, and of ln |eigenvalue| of
           one W, below a value. b: largest singular value over g^L, median and extremes of seeds.
           c: share of directions that a product leaves open. Orthogonal W^L and products coincide.
Source:    Newman, The distribution of Lyapunov exponents: exact results for random matrices,
           Communications in Mathematical Physics, 1986; Penson and Zyczkowski, Product of Ginibre
           matrices: Fuss-Catalan and Raney distributions, Physical Review E, 2011; Alexeev, Goetze
           and Tikhomirov, Asymptotic distribution of singular values of powers of random matrices,
           Lithuanian Mathematical Journal, 2010.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.figures import BLUE, GREEN, VERMILION, Look
from rnnjax.lazy import jax, jnp, xr
from rnnjax.reductions import largest, median, shares_below, tabulate
from rnnjax.sweep import Traced, Variable

_THEORY = rnnjax.theory.random_matrices
_LOOKS = {
    "gaussian": {"one": Look("$W^L$", BLUE, "o", "none"),
                 "new": Look("product of $L$ new $W$", VERMILION, "s", "none", hollow=True)},
    "orthogonal": {"new": Look("orthogonal $W$", GREEN, "D", "none")},
}  # fmt: skip
_SPECTRA = {
    "gaussian": {"exponents": Look("products of new $W$", VERMILION),
                 "log_eigenvalues": Look(r"$\ln|$eigenvalues$|$ of one $W$", BLUE)},
    "orthogonal": {"exponents": Look("products of orthogonal $W$", GREEN)},
}  # fmt: skip


class Setting(sweep.Setting):
    """One kind of matrices, their sizes, and how many factors a product has."""

    weights: Literal["gaussian", "orthogonal"] = "gaussian"
    gain: PositiveFloat = Field(1.0, description="g, factor of every matrix")
    seed: Traced[int] = 0
    n: int = Field(100, ge=2, le=2048, description="size of matrices whose spectra are measured")
    sizes: tuple[PositiveInt, ...] = Field((1, 2, 10), min_length=1, description="further sizes")
    n_steps: int = Field(400, ge=10, description="factors of a product that exponents are taken of")
    n_norm: int = Field(400, ge=2, description="size of the matrices whose norms are measured")
    n_factors: PositiveInt = Field(20, description="the most factors that norms are measured of")
    axes = ("weights", "gain", "seed")


def coordinates(setting: Setting) -> dict[str, Any]:
    """Ranks, sizes, whether one matrix or new ones are multiplied, and how often."""
    index, L = (np.arange(1, n + 1) for n in (setting.n, setting.n_factors))
    return {"index": index, "size": setting.sizes, "factors": ["one", "new"], "n_factors": L}


def variables(setting: Setting) -> dict[str, Variable]:
    """What is measured in every cell of the sweep."""
    rate, of = "nat/step", "of products of new matrices"
    growth, index, size = ("factors", "n_factors"), ("index",), ("size",)
    return {
        "exponents": Variable(index, f"Lyapunov exponents {of}, by rank", rate),
        "exponent_errors": Variable(index, "their standard errors", rate),
        "first_exponent": Variable(size, f"largest exponent {of} of other sizes", rate),
        "first_error": Variable(size, "its standard error", rate),
        "log_eigenvalues": Variable(index, "exponents of powers of one W: ln |eigenvalue|", "nat"),
        "departure": Variable((), "departure from normality of one W over |W|_F"),
        "abscissa": Variable((), "numerical abscissa of one W over g"),
        "log_norm": Variable(
            growth, "ln of the largest singular value of a product over g^L", "nat"
        ),
        "first_moment": Variable(growth, "mean squared singular value of a product over g^2L"),
        "second_moment": Variable(growth, "mean fourth power of them over g^4L"),
    }


def measure(setting: Setting) -> dict[str, jax.Array]:
    """Measure exponents, norms of products, and non-normality."""
    key, log_gain, new = jax.random.key(setting.seed), jnp.log(setting.gain), partial(_new, setting)
    keys, W, matrices = jax.random.split(key, 3), new(key, setting.n, 0), rnnjax.matrices
    draws = [(keys[0], setting.n), *((jax.random.fold_in(keys[1], n), n) for n in setting.sizes)]
    found = [
        matrices.exponents_of_products(partial(new, k, n), n, setting.n_steps) for k, n in draws
    ]
    log_eigenvalues = matrices.log_eigenvalues(W, setting.n_steps)
    departure = matrices.departure_from_normality(W, jnp.exp(log_eigenvalues))
    V, size = new(key, setting.n_norm, 1), (setting.n_norm, setting.n_factors)
    factors = (lambda t: V, partial(new, keys[2], setting.n_norm))
    norms = [matrices.norms_of_products(factor, *size) for factor in factors]
    return {
        "exponents": log_gain + found[0][0],
        "exponent_errors": found[0][1],
        "first_exponent": log_gain + jnp.stack([one[0][0] for one in found[1:]]),
        "first_error": jnp.stack([one[1][0] for one in found[1:]]),
        "log_eigenvalues": log_gain + log_eigenvalues,
        "departure": departure / jnp.linalg.norm(W),
        "abscissa": matrices.numerical_abscissa(W),
        **jax.tree.map(lambda *of: jnp.stack(of), *norms),
    }


def _new(setting: Setting, key: jax.Array, n: int, number: jax.Array | int) -> jax.Array:
    """Return a new matrix of gain 1; without LAPACK, which must not be called in a scan."""
    W = rnnjax.cells.gaussian(jax.random.fold_in(key, number), n)
    if setting.weights == "gaussian":
        return W
    return rnnjax.matrices.graded_qr(rnnjax.Scaled(W, jnp.zeros(n, jnp.int32)))[0]


def figure(cube: xr.Dataset) -> figures.Figure:
    """Exponents, growth of norms, and participation."""
    frame = figures.Frame(1, 3, height=2.8, width_ratios=(1.25, 1, 1))
    cube = cube.isel(gain=int(abs(np.log(cube["gain"])).argmin("gain")))
    for name in cube["weights"].values:
        _draw_exponents(frame.panels[0], cube.sel(weights=name))
        _draw_growth(*frame.panels[1:], cube.sel(weights=name))
    return frame.finished()


def answer(cube: xr.Dataset) -> str:
    """The norms of the longest products and powers."""
    cube = cube.isel(gain=int(abs(np.log(cube["gain"])).argmin("gain")), n_factors=-1)
    L, norms = cube["n_factors"].item(), median(np.exp(cube["log_norm"])).to_pandas().dropna()
    new, powers = (" and ".join(f"{norm:.3g} ({weights} W)" for weights, norm in of.items())
                   for of in (norms["new"], norms["one"]))  # fmt: skip
    new, powers = new or "not finite", powers or "not finite"
    return f"The norm of a product of {L} new W over g^{L} is {new}. That of W^{L} is {powers}."


def _draw_exponents(panel: figures.Axes, cube: xr.Dataset) -> None:
    """Draw the share of exponents below a value, over all seeds, on the triangle law."""
    gain = cube["gain"].item()
    s = np.log(gain) + np.linspace(-3, 0.3, 200)
    law = {"triangle law": tabulate(lambda s: _THEORY.triangle_law(s, gain), value=s)}
    for variable, look in _SPECTRA[cube["weights"].item()].items():
        figures.curves(
            panel, shares_below(cube[variable]), over="value", looks=look, line={"linewidth": 1.2},
            theory=law if variable == "log_eigenvalues" else {}, xlim=s[[0, -1]],
            xlabel=f"exponent (nat/step), $g$ = {gain:g}", ylabel="share below",
        )  # fmt: skip
    panel.legend(loc="upper left", fontsize=7)


def _draw_growth(norms: figures.Axes, shares: figures.Axes, cube: xr.Dataset) -> None:
    """Draw norms, and (sum s^2)^2 / (n sum s^4), the share of directions that are left open."""
    L, name = cube["n_factors"], cube["weights"].item()
    limits = [{r"$n = \infty$": _THEORY.largest_singular_value(L)}, {"$1 / (L + 1)$": 1 / (L + 1)}]
    limit, open_share = limits if name == "gaussian" else ({}, {})
    told = {"over": "n_factors", "each": "factors", "looks": _LOOKS[name], "xlabel": "factors $L$"}
    figures.curves(
        norms, np.exp(cube["log_norm"]), band="seed", edges="extremes", theory=limit,
        ylabel="largest singular value$/g^L$", xlim=(0, L[-1] + 0.8), ylim=(0, None), **told,
    )  # fmt: skip
    entries = figures.curves(
        shares, median(cube["first_moment"] ** 2 / cube["second_moment"]), theory=open_share,
        xscale="log", yscale="log", ylabel="share left open", xlim=(0.9, 1.1 * L[-1]), **told,
    )  # fmt: skip
    norms.legend(loc="upper left", fontsize=7)
    if open_share:
        shares.legend(handles=entries[-1:], loc="lower left", fontsize=7)


def _at_one(cube: xr.Dataset) -> xr.Dataset:
    return cube.assign(cube[["exponents", "first_exponent", "log_eigenvalues"]] - np.log(cube.gain))


def _pooled(one: xr.Dataset) -> xr.Dataset:
    """Return the first gain: means over seeds with their standard errors, and their theory."""
    one, n_seed = one.isel(gain=0), one.sizes["seed"]
    errors = np.sqrt((one[["exponent_errors", "first_error"]] ** 2).mean("seed") / n_seed)
    newman = _THEORY.product_exponents(one.setting.n, 1.0)
    one = one.mean("seed", keep_attrs=True).assign(**errors, newman=("index", newman))
    L, n, z = one["n_factors"], one.setting.n_norm, one["exponents"] - one["newman"]
    shift, spread = _THEORY.largest_singular_value_spread(L, n)
    gap = np.exp(one["log_norm"]) / _THEORY.largest_singular_value(L) - 1 - shift
    off_edge = gap / (0.35 * abs(shift) + 3 * spread / n_seed**0.5)
    return one.assign(z=z / one["exponent_errors"], off_edge=off_edge, off_limit=gap / (1 + shift))


def _off_triangle_law(one: xr.Dataset, told: str) -> float:
    shares = shares_below(one[_LAWS[told]])
    return largest(abs(shares - _THEORY.triangle_law(shares["value"], 1.0)))


_NEWMAN = "Newman 1986, exponents of Gaussian products"
_RANKS = {"largest": slice(1), "least": slice(-1, None), "mean": slice(None)}
_LAWS = {"exponents of products": "exponents", "ln |eigenvalues| of one W": "log_eigenvalues"}
_PRODUCTS = [{"factors": "one", "told": "W^L"}, {"factors": "new", "told": "products of L new W"}]
_EXACT = "exact: a product of rotations is a rotation; tolerance: float32 rounding"
CLAIMS = (
    Group((
        Group((
            Row("n = {cube.setting.n}: {which} exponent, g = 1",
                lambda one: one["exponents"].mean(), for_each={"which": _RANKS},
                part=lambda one, which: one.isel(index=_RANKS[which]),
                equals=lambda one: one["newman"].mean(), tolerance=lambda one:
                    3 * np.linalg.norm(one["exponent_errors"]) / one.sizes["index"]),
            Row("n = {cube.setting.n}: all exponents, root mean square in standard errors",
                lambda one: np.sqrt((one["z"] ** 2).mean()), at_most=1,
                tolerance=lambda one: 3 / np.sqrt(2 * one.setting.n)),
            Row("matrices of size {size}: largest exponent, g = 1",
                lambda one: one["first_exponent"], for_each="size",
                equals=lambda one, size: _THEORY.product_exponents(size, 1.0)[0],
                tolerance=lambda one: 3 * one["first_error"], reproduces=_NEWMAN),
        ), part=_pooled, source="Newman 1986: exact at every n; tolerance: 3 standard errors",
           reproduces=lambda one: _NEWMAN if one.setting.n == 100 else ""),
        Row("{told}: distance from the triangle law", _off_triangle_law, equals=0,
            for_each={"told": _LAWS}, tolerance=lambda one: 0.5 / np.sqrt(one.setting.n),
            when=lambda one: one.sizes["seed"] * one.setting.n >= 30,  # fewer scatter more
            reproduces=lambda one, told: _NEWMAN if _LAWS[told] == "exponents" else "",
            source="circular law, Newman 1986; tolerance: 1/2 n^(-1/2), the width of the edge"),
        Group((
            Row("products: norm against the finite-n edge, worst, in tolerances",
                lambda one: largest(abs(one["off_edge"])), at={"factors": "new"}, equals=0,
                tolerance=1, source="Tracy and Widom 1996; tolerance: a third of the shift, and 3 "
                "standard errors"),
            Group((
                Row("{told}, L <= 5: largest singular value, relative, worst",
                    lambda few: largest(abs(few["off_limit"])), equals=0),
                Row("{told}, L <= 5: fourth moment, relative, worst",
                    lambda few: largest(abs(few["second_moment"] / (few["n_factors"] + 1) - 1)),
                    equals=0),
            ), for_each=_PRODUCTS, at={"n_factors": lambda L: L <= 5}, tolerance=0.03,
               when=lambda few: few.setting.n_norm >= 400,  # then 3 % from n = infinity
               source="Penson and Zyczkowski 2011, Alexeev et al. 2010, at finite n",
               reproduces="Penson and Zyczkowski 2011, Fuss-Catalan moments"),
            Row("departure from normality over |W|_F", lambda one: one["departure"],
                equals=0.5**0.5, tolerance=lambda one: 0.5 * one.setting.n**-0.5,
                source="circular law: half of |W|_F^2 is in the eigenvalues; tolerance: n finite"),
            Row("numerical abscissa over g", lambda one: one["abscissa"],
                equals=2**0.5, tolerance=lambda one: one.setting.n**-0.5,
                source="semicircle law of (W + W^T) / 2; tolerance: n finite"),
        ), part=_pooled),
    ), part=_at_one, at={"weights": "gaussian"}),
    Group((
        Row("orthogonal: largest |exponent - ln g|",
            lambda one: max(largest(abs(one[name])) for name in ("exponents", "first_exponent")),
            equals=0, tolerance=1e-5),
        Row("orthogonal: largest |ln of the norm|", lambda one: largest(abs(one["log_norm"])),
            equals=0, tolerance=1e-4),
        Row("orthogonal: departure from normality over |W|_F", lambda one: one["departure"].max(),
            equals=0, tolerance=5e-3, source=f"{_EXACT}, whose root it is"),
    ), part=_at_one, at={"weights": "orthogonal"}, source=_EXACT),)  # fmt: skip
