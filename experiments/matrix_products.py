"""What do long products of random matrices do that one matrix and its eigenvalues do not tell?

Command:   rnnjax run matrix_products
Run time:  about a minute on 2 cores, compiling included.
Figure:    W_ij ~ N(0, g^2/n). a: the share of Lyapunov exponents of products of ever new W below a
           value, beside that of ln |eigenvalue| of one W: both follow the triangle law; products of
           orthogonal matrices have all exponents at ln g. b: the norm of W^L and of products of L
           new W, over g^L: it grows although the spectral radius stays g; orthogonal ones keep
           norm 1. c: the share of directions that such a product leaves open. d: chains of scalars
           w ~ N(0, s^2): between the lines a typical chain decays while the mean square explodes.
Source:    Newman, The distribution of Lyapunov exponents: exact results for random matrices,
           Communications in Mathematical Physics, 1986; Penson and Zyczkowski, Product of Ginibre
           matrices: Fuss-Catalan and Raney distributions, Physical Review E, 2011; Alexeev, Goetze
           and Tikhomirov, Asymptotic distribution of singular values of powers of random matrices,
           Lithuanian Mathematical Journal, 2010.
"""

import json
import math
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax.sweep import Axes as BaseAxes
from rnnjax.sweep import Config as BaseConfig
from rnnjax.sweep import Lane, Static, Variable

_THEORY = rnnjax.theory.random_matrices
_NEWMAN = "Newman 1986"
_FUSS_CATALAN = "Penson and Zyczkowski 2011, Alexeev et al. 2010"
_FACTORS = ("one", "new")  # powers of one matrix, products of new ones
_DEVIATIONS = 3.0
_LEAST_NORM_SIZE = 400  # n from which norms and moments are those of n -> oo to 3 %
_FACTOR_STYLES = {"one": ("#0072B2", "o"), "new": ("#D55E00", "s")}
_KEPT = "#009E73"


class Axes(BaseAxes):
    """The swept axes, in the order of the cube's dimensions."""

    weights: Static[Literal["gaussian", "orthogonal"]]
    gain: Lane[PositiveFloat]
    seed: Lane[int]


class Config(BaseConfig):
    """Sizes and lengths."""

    axes: Axes
    n: int = Field(100, ge=2, le=2048, description="size of the matrices whose spectra are measured")
    sizes: tuple[PositiveInt, ...] = Field((1, 2, 10), min_length=1, description="further sizes")
    n_steps: int = Field(400, ge=10, description="factors of a product that exponents are taken of")
    n_norm: int = Field(400, ge=2, description="size of the matrices whose norms are measured")
    n_factors: PositiveInt = Field(20, description="the most factors that norms are measured of")
    deviations: tuple[PositiveFloat, ...] = Field(
        (0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2), description="s of the scalar chains"
    )
    n_chains: int = Field(20_000, ge=10)
    chain_length: int = Field(200, ge=4, description="factors of a scalar chain")


def coordinates(config):
    """Ranks, sizes, numbers of factors, where they come from, and deviations."""
    return {
        "index": np.arange(1, config.n + 1),
        "size": np.array(config.sizes),
        "factors": np.array(_FACTORS),
        "n_factors": np.arange(1, config.n_factors + 1),
        "deviation": np.array(config.deviations),
    }


def variables(config):
    """What is measured in every cell of the sweep."""
    rate, of = "nat/step", "of products of new matrices"
    growth = ("factors", "n_factors")
    chain = ("deviation",)
    return {
        "exponents": Variable(("index",), f"Lyapunov exponents {of}, by rank", rate),
        "exponent_errors": Variable(("index",), "their standard errors", rate),
        "first_exponent": Variable(("size",), f"largest exponent {of} of other sizes", rate),
        "first_error": Variable(("size",), "its standard error", rate),
        "log_eigenvalues": Variable(("index",), "ln |eigenvalue| of one W, descending", "nat"),
        "departure": Variable((), "departure from normality of one W over |W|_F"),
        "abscissa": Variable((), "numerical abscissa of one W over g"),
        "log_norm": Variable(growth, "ln of the largest singular value of a product over g^L", "nat"),
        "first_moment": Variable(growth, "mean squared singular value of a product over g^2L"),
        "second_moment": Variable(growth, "mean fourth power of them over g^4L"),
        "mean_log": Variable(chain, "mean of ln |h_T / h_0| of scalar chains over T", rate),
        "variance_log": Variable(chain, "its variance over T", "nat^2/step"),
        "log_mean_square": Variable(chain, "ln E (h_3 / h_0)^2 over 6", rate),
        "share_decayed": Variable(chain, "share of chains with |h_T| < |h_0|"),
    }


def _new(weights, key, n):
    """Return a new matrix of gain 1; without LAPACK, which must not be called in a scan."""
    from jax import numpy as jnp

    W = rnnjax.cells.gaussian(key, n)
    if weights == "gaussian":
        return W
    return rnnjax.matrices.graded_qr(rnnjax.Scaled(W, jnp.zeros(n, jnp.int32)))[0]


def draw(config, gain, seed, weights):
    """Draw two fixed matrices, the spectrum of one, and the key of all that is new."""
    from jax import numpy as jnp
    from jax import random

    key = random.key(seed)
    W, V = (_new(weights, random.fold_in(key, i), n) for i, n in enumerate((config.n, config.n_norm)))
    return {"gain": gain, "key": key, "W": W, "V": V, "eigenvalues": jnp.linalg.eigvals(W)}


def measure(config, drawn, weights):
    """Measure exponents, norms of products, non-normality, and scalar chains."""
    from jax import numpy as jnp
    from jax import random

    W, log_gain, keys = drawn["W"], jnp.log(drawn["gain"]), random.split(drawn["key"], 4)
    exponents, errors = _exponents(config, weights, keys[0], config.n)
    others = [
        [values[0] for values in _exponents(config, weights, random.fold_in(keys[1], n), n)]
        for n in config.sizes
    ]
    sizes = jnp.abs(drawn["eigenvalues"])
    departure = rnnjax.matrices.departure_from_normality(W, drawn["eigenvalues"])
    return {
        "exponents": log_gain + exponents,
        "exponent_errors": errors,
        "first_exponent": log_gain + jnp.stack([first for first, _ in others]),
        "first_error": jnp.stack([error for _, error in others]),
        "log_eigenvalues": log_gain + jnp.log(-jnp.sort(-sizes)),
        "departure": departure / jnp.linalg.norm(W),
        "abscissa": rnnjax.matrices.numerical_abscissa(W),
        **_growth(config, weights, keys[2], drawn["V"]),
        **_chains(config, keys[3]),
    }


def _exponents(config, weights, key, n):
    """Return the exponents of a product at gain 1 and their standard errors, (n,) each."""
    import jax
    from jax import numpy as jnp
    from jax import random

    def step(Q, t):
        A = _new(weights, random.fold_in(key, t), n) @ Q
        return rnnjax.matrices.graded_qr(rnnjax.Scaled(A, jnp.zeros(n, jnp.int32)))

    _, logs = jax.lax.scan(step, jnp.eye(n), jnp.arange(config.n_steps))
    # The factors are independent, and a Gaussian one does not know the directions before it.
    return jnp.mean(logs, axis=0), jnp.std(logs, axis=0) / (config.n_steps - 1) ** 0.5


def _growth(config, weights, key, V):
    """Measure norms and moments of powers of V and of products of new matrices."""
    import jax
    from jax import numpy as jnp
    from jax import random

    matrices, n = rnnjax.matrices, config.n_norm

    def step(P, t):
        new = _new(weights, random.fold_in(key, t), n)
        P = jax.vmap(jnp.matmul)(jnp.stack([V, new]), P)
        G = jax.vmap(lambda P: P @ P.T)(P)
        told = {
            "log_norm": jax.vmap(matrices.log_spectral_norm)(P),
            "first_moment": jnp.trace(G, axis1=1, axis2=2) / n,
            "second_moment": jnp.sum(G**2, axis=(1, 2)) / n,
        }
        return P, told

    start = jnp.broadcast_to(jnp.eye(n), (2, n, n))
    _, found = jax.lax.scan(step, start, jnp.arange(config.n_factors))
    return {name: values.T for name, values in found.items()}


def _chains(config, key):
    from jax import numpy as jnp
    from jax import random

    s = jnp.asarray(config.deviations)
    logs = jnp.log(jnp.abs(random.normal(key, (config.n_chains, config.chain_length))))
    total, T = jnp.sum(logs, axis=1), config.chain_length
    square = jnp.mean(jnp.exp(2 * jnp.sum(logs[:, :3], axis=1)))
    decayed = total[:, None] + T * jnp.log(s) < 0
    return {
        "mean_log": jnp.mean(total) / T + jnp.log(s),
        "variance_log": jnp.full(len(s), jnp.var(total) / T),
        "log_mean_square": jnp.log(square) / 6 + jnp.log(s),
        "share_decayed": jnp.mean(decayed, axis=0),
    }


def figure(cube):
    """Exponents, growth of norms, participation, and scalar chains."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(rnnjax.figures.PAGE_WIDTH, 4.8))
    panels = drawn.subplots(2, 2)
    gains = cube["gain"].values
    cube = cube.sel(gain=gains[np.argmin(np.abs(np.log(gains)))])
    by_weights = {str(name): cube.sel(weights=name) for name in cube["weights"].values}
    _draw_exponents(panels[0, 0], by_weights, float(cube["gain"]))
    _draw_norms(panels[0, 1], by_weights)
    _draw_participation(panels[1, 0], by_weights)
    _draw_chains(panels[1, 1], next(iter(by_weights.values())))
    rnnjax.figures.letter_panels(panels.flat)
    return drawn


def _draw_exponents(ax, by_weights, gain):
    """Draw the share of exponents below a value, over all seeds."""
    for name, cube in by_weights.items():
        pairs = {"exponents": "products of new W", "log_eigenvalues": "ln |eigenvalues| of one W"}
        for (variable, told), (colour, _) in zip(pairs.items(), ("#D55E00 -", "#0072B2 -"),
                                                 strict=False) if False else ():  # fmt: skip
            ax.plot([], [], color=colour, label=told)
    ax.set(xlabel="exponent (nat/step)", ylabel="share below")
