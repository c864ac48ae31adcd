"""What do long products of random matrices do that one matrix and its eigenvalues do not tell?

Command:   rnnjax run matrix_products
Run time:  about 70 seconds on 2 cores, compiling included.
Figure:    W_ij ~ N(0, g^2/n). a: the share of Lyapunov exponents of products of ever new W below a
           value, beside that of ln |eigenvalue| of one W: both follow the triangle law; products of
           orthogonal matrices have all exponents at ln g. b: the norm of W^L and of products of L
           new W, over g^L: it grows although the spectral radius stays g; orthogonal ones keep
           norm 1. c: the share of directions that such a product leaves open. d: chains of scalars
           w ~ N(0, s^2): where shaded a typical chain decays while the mean square explodes.
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
from rnnjax import sweep
from rnnjax.lazy import jax, jnp
from rnnjax.sweep import Traced, Variable

_THEORY = rnnjax.theory.random_matrices
_NEWMAN = "Newman 1986"
_FUSS_CATALAN = "Penson and Zyczkowski 2011, Alexeev et al. 2010"
_FACTORS = ("one", "new")  # powers of one matrix, products of new ones
_DEVIATIONS = 3.0
_LEAST_NORM_SIZE = 400  # n from which norms and moments are those of n -> oo to 3 %
_FACTOR_STYLES = {"one": ("#0072B2", "o"), "new": ("#D55E00", "s")}
_KEPT = "#009E73"
REPRODUCES = {
    "matrices of size": "Newman 1986, exponents of Gaussian products",
    "n = 100": "Newman 1986, exponents of Gaussian products",
    "exponents of products": "Newman 1986, exponents of Gaussian products",
    "W^L": "Penson and Zyczkowski 2011, Fuss-Catalan moments",
    "products of L new W": "Penson and Zyczkowski 2011, Fuss-Catalan moments",
}


class Setting(sweep.Setting):
    """One kind of matrices, their sizes, and how many factors a product has."""

    weights: Literal["gaussian", "orthogonal"] = "gaussian"
    gain: PositiveFloat = Field(1.0, description="g, factor of every matrix")
    seed: Traced[int] = 0
    n: int = Field(
        100, ge=2, le=2048, description="size of the matrices whose spectra are measured"
    )
    sizes: tuple[PositiveInt, ...] = Field((1, 2, 10), min_length=1, description="further sizes")
    n_steps: int = Field(400, ge=10, description="factors of a product that exponents are taken of")
    n_norm: int = Field(400, ge=2, description="size of the matrices whose norms are measured")
    n_factors: PositiveInt = Field(20, description="the most factors that norms are measured of")
    deviations: tuple[PositiveFloat, ...] = Field(
        (0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2), description="s of the scalar chains"
    )
    n_chains: int = Field(20_000, ge=10, description="scalar chains")
    chain_length: int = Field(200, ge=4, description="factors of a scalar chain")
    axes = ("weights", "gain", "seed")


def coordinates(setting):
    """Ranks, sizes, numbers of factors, where they come from, and deviations."""
    return {
        "index": np.arange(1, setting.n + 1),
        "size": np.array(setting.sizes),
        "factors": np.array(_FACTORS),
        "n_factors": np.arange(1, setting.n_factors + 1),
        "deviation": np.array(setting.deviations),
    }


def variables(setting):
    """What is measured in every cell of the sweep."""
    rate, of = "nat/step", "of products of new matrices"
    growth, chain, index, size = ("factors", "n_factors"), ("deviation",), ("index",), ("size",)
    norm = "ln of the largest singular value of a product over g^L"
    return {
        "exponents": Variable(index, f"Lyapunov exponents {of}, by rank", rate),
        "exponent_errors": Variable(index, "their standard errors", rate),
        "first_exponent": Variable(size, f"largest exponent {of} of other sizes", rate),
        "first_error": Variable(size, "its standard error", rate),
        "log_eigenvalues": Variable(index, "exponents of powers of one W: ln |eigenvalue|", "nat"),
        "departure": Variable((), "departure from normality of one W over |W|_F"),
        "abscissa": Variable((), "numerical abscissa of one W over g"),
        "log_norm": Variable(growth, norm, "nat"),
        "first_moment": Variable(growth, "mean squared singular value of a product over g^2L"),
        "second_moment": Variable(growth, "mean fourth power of them over g^4L"),
        "mean_log": Variable(chain, "mean of ln |h_T / h_0| of scalar chains over T", rate),
        "variance_log": Variable(chain, "its variance over T", "nat^2/step"),
        "log_mean_square": Variable(chain, "ln E (h_3 / h_0)^2 over 6", rate),
        "share_decayed": Variable(chain, "share of chains with |h_T| < |h_0|"),
    }


def measure(setting):
    """Measure exponents, norms of products, non-normality, and scalar chains."""
    key, log_gain = jax.random.key(setting.seed), jnp.log(setting.gain)
    keys, W = jax.random.split(key, 4), _new(setting, key, 0, setting.n)

    def of_new(key, n):
        logs = _log_growth(setting, lambda t: _new(setting, key, t, n), n)
        # The factors are independent, and a Gaussian one does not know the directions before it.
        return jnp.mean(logs, axis=0), jnp.std(logs, axis=0) / (setting.n_steps - 1) ** 0.5

    exponents, errors = of_new(keys[0], setting.n)
    others = [of_new(jax.random.fold_in(keys[1], n), n) for n in setting.sizes]
    # The exponents of powers are ln |eigenvalue|, to a few nats over all steps.
    late = _log_growth(setting, lambda t: W, setting.n)[setting.n_steps // 4 :]
    log_eigenvalues = -jnp.sort(-jnp.mean(late, axis=0))
    departure = rnnjax.matrices.departure_from_normality(W, jnp.exp(log_eigenvalues))
    return {
        "exponents": log_gain + exponents,
        "exponent_errors": errors,
        "first_exponent": log_gain + jnp.stack([values[0] for values, _ in others]),
        "first_error": jnp.stack([values[0] for _, values in others]),
        "log_eigenvalues": log_gain + log_eigenvalues,
        "departure": departure / jnp.linalg.norm(W),
        "abscissa": rnnjax.matrices.numerical_abscissa(W),
        **_growth(setting, keys[2], _new(setting, key, 1, setting.n_norm)),
        **_chains(setting, keys[3]),
    }


def _new(setting, key, number, n):
    """Return a new matrix of gain 1; without LAPACK, which must not be called in a scan."""
    W = rnnjax.cells.gaussian(jax.random.fold_in(key, number), n)
    if setting.weights == "gaussian":
        return W
    return rnnjax.matrices.graded_qr(rnnjax.Scaled(W, jnp.zeros(n, jnp.int32)))[0]


def _log_growth(setting, factor, n):
    """Return the growth of n directions at every factor of a product, (n_steps, n)."""

    def step(Q, t):
        rows = rnnjax.Scaled(factor(t) @ Q, jnp.zeros(n, jnp.int32))
        return rnnjax.matrices.graded_qr(rows)

    return jax.lax.scan(step, jnp.eye(n), jnp.arange(setting.n_steps))[1]


def _growth(setting, key, V):
    """Measure norms and moments of powers of V and of products of new matrices."""
    n = setting.n_norm

    def step(P, t):
        P = jax.vmap(jnp.matmul)(jnp.stack([V, _new(setting, key, t, n)]), P)
        G = jax.vmap(lambda P: P @ P.T)(P)
        return P, {
            "log_norm": jax.vmap(rnnjax.matrices.log_spectral_norm)(P),
            "first_moment": jnp.trace(G, axis1=1, axis2=2) / n,
            "second_moment": jnp.sum(G**2, axis=(1, 2)) / n,
        }

    start = jnp.broadcast_to(jnp.eye(n), (2, n, n))
    _, found = jax.lax.scan(step, start, jnp.arange(setting.n_factors))
    return {name: values.T for name, values in found.items()}


def _chains(setting, key):
    s, T = jnp.asarray(setting.deviations), setting.chain_length
    logs = jnp.log(jnp.abs(jax.random.normal(key, (setting.n_chains, T))))
    total = jnp.sum(logs, axis=1)
    square = jnp.mean(jnp.exp(2 * jnp.sum(logs[:, :3], axis=1)))
    return {
        "mean_log": jnp.mean(total) / T + jnp.log(s),
        "variance_log": jnp.full(len(s), jnp.var(total) / T),
        "log_mean_square": jnp.log(square) / 6 + jnp.log(s),
        "share_decayed": jnp.mean(total[:, None] + T * jnp.log(s) < 0, axis=0),
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
    """Draw the share of exponents below a value, over all seeds, on the triangle law."""
    s = np.linspace(math.log(gain) - 3, math.log(gain) + 0.3, 200)
    for name, cube in by_weights.items():
        gaussian = name == "gaussian"
        colour, told = ("#D55E00", "new $W$") if gaussian else (_KEPT, "new orthogonal $W$")
        _draw_shares(ax, cube["exponents"], colour, "-", f"products of {told}")
        if gaussian:
            told = r"$\ln|$eigenvalues$|$ of one $W$"
            _draw_shares(ax, cube["log_eigenvalues"], "#0072B2", "-", told)
            ax.plot(s, _THEORY.triangle_law(s, gain), color="black", linestyle="--",
                    linewidth=0.9, label="triangle law")  # fmt: skip
    ax.set(xlabel=f"exponent (nat/step), $g$ = {gain:g}", ylabel="share below", xlim=s[[0, -1]])
    ax.legend(loc="upper left")


def _draw_shares(ax, values, colour, dash, label):
    ordered = np.sort(values.values.ravel())
    share = (np.arange(len(ordered)) + 0.5) / len(ordered)
    ax.plot(ordered, share, color=colour, linestyle=dash, linewidth=1.2, label=label)


def _draw_norms(ax, by_weights):
    for name, cube in by_weights.items():
        L = cube["n_factors"].values
        norm = np.exp(cube["log_norm"])
        for factors, (colour, marker) in _FACTOR_STYLES.items():
            values = norm.sel(factors=factors).transpose("seed", "n_factors").values
            told = {"one": "$W^L$", "new": "product of $L$ new $W$"}[factors]
            if name == "orthogonal":
                colour, told = _KEPT, "orthogonal" if factors == "one" else None
            face = "none" if factors == "new" else colour
            ax.plot(L, np.median(values, axis=0), color=colour, marker=marker, label=told,
                    linestyle="none", markerfacecolor=face)  # fmt: skip
            ax.fill_between(L, values.min(0), values.max(0), color=colour, alpha=0.2, linewidth=0)
        if name == "gaussian":
            limit = [_THEORY.largest_singular_value(int(one)) for one in L]
            ax.plot(L, limit, color="black", linestyle="--", linewidth=0.9, label=r"$n = \infty$")
    ax.set(xlabel="factors $L$", ylabel="largest singular value$/g^L$", ylim=(0, None))
    ax.set_xlim(0, None)
    ax.locator_params(axis="x", integer=True)
    ax.legend(loc="upper left")


def _draw_participation(ax, by_weights):
    """Draw (sum s^2)^2 / (n sum s^4), the share of directions that a product leaves open."""
    for name, cube in by_weights.items():
        L = cube["n_factors"].values
        shares = cube["first_moment"] ** 2 / cube["second_moment"]
        for factors, (colour, marker) in _FACTOR_STYLES.items():
            colour = _KEPT if name == "orthogonal" else colour
            values = shares.sel(factors=factors).transpose("seed", "n_factors").values
            ax.loglog(L, np.median(values, axis=0), color=colour, marker=marker, linestyle="none",
                      markerfacecolor="none" if factors == "new" else colour)  # fmt: skip
        if name == "gaussian":
            ax.loglog(L, 1 / (L + 1), color="black", linestyle="--", linewidth=0.9,
                      label="$1 / (L + 1)$")  # fmt: skip
            ax.legend(loc="lower left")
    ax.set(xlabel="factors $L$", ylabel="share of directions left", ylim=(None, 1.3))


def _draw_chains(ax, cube):
    s = cube["deviation"].values
    fine = np.geomspace(s.min(), s.max(), 60)
    theory = [_THEORY.scalar_chain(one, 1) for one in fine]
    half = [0.5 * one.log_mean_square for one in theory]
    for values, line, colour, marker, told in (
        (cube["log_mean_square"], half, "#CC79A7", "s", "root mean square"),
        (cube["mean_log"], [one.mean_log for one in theory], "#0072B2", "o", "typical chain"),
    ):
        ax.plot(fine, line, color=colour, linestyle="--", linewidth=0.9)
        ax.plot(s, values.mean("seed"), color=colour, marker=marker, linestyle="none", label=told)
    ax.axvspan(*_THEORY.deceptive_deviations(), color="#F2E6D8", zorder=0,
               label="typical decays, mean square grows")  # fmt: skip
    ax.axhline(0, color="#808080", linewidth=0.6, zorder=1)
    ax.set(
        ylim=(None, 1.6), xlabel="standard deviation $s$ of the factors", ylabel="growth (nat/step)"
    )
    ax.legend(loc="upper left")


def claims(cube):
    """Numbers that must hold, each with its source."""
    config = json.loads(cube.attrs["config"])
    found = []
    if "gaussian" in cube["weights"].values:
        gaussian = cube.sel(weights="gaussian")
        found += [*_of_newman(gaussian, config), *_of_triangle(gaussian, config)]
        found += [*_of_fuss_catalan(gaussian, config), *_of_non_normality(gaussian, config)]
    if "orthogonal" in cube["weights"].values:
        found += _of_rotations(cube.sel(weights="orthogonal"))
    return [*found, *_of_chains(cube.isel(weights=0, gain=0), config)]


def _at_gain_one(cube, name):
    return cube[name] - np.log(cube["gain"])


def _combined(values, errors):
    """Return the mean over seeds, of the first gain, and its standard error."""
    mean = values.isel(gain=0).mean("seed")
    return mean.values, np.sqrt(
        (errors.isel(gain=0) ** 2).mean("seed") / values.sizes["seed"]
    ).values


def _of_newman(cube, config):
    """Return claims on exponents of products, at gain 1: seeds are pooled."""
    n, source = config["n"], f"{_NEWMAN}: exact at every n; tolerance: 3 standard errors"
    mean, error = _combined(_at_gain_one(cube, "exponents"), cube["exponent_errors"])
    expected = _THEORY.product_exponents(n, 1.0)
    z = (mean - expected) / error
    total = float(np.sqrt(np.mean(error**2) / n))
    found = [
        rnnjax.Claim(f"n = {n}: largest exponent, g = 1", mean[0], expected[0],
                     _DEVIATIONS * error[0], source),
        rnnjax.Claim(f"n = {n}: least exponent, g = 1", mean[-1], expected[-1],
                     _DEVIATIONS * error[-1], source),
        rnnjax.Claim(f"n = {n}: mean exponent, g = 1", np.mean(mean), np.mean(expected),
                     _DEVIATIONS * total, source),
        rnnjax.Claim(f"n = {n}: all exponents, root mean square in standard errors",
                     np.sqrt(np.mean(z**2)), 1.0, _DEVIATIONS / math.sqrt(2 * n), source,
                     relation="at_most"),
    ]  # fmt: skip
    firsts, errors = _combined(_at_gain_one(cube, "first_exponent"), cube["first_error"])
    for size, first, error in zip(cube["size"].values, firsts, errors, strict=True):
        expected = _THEORY.product_exponents(int(size), 1.0)[0]
        name = f"matrices of size {size}: largest exponent, g = 1"
        found.append(rnnjax.Claim(name, first, expected, _DEVIATIONS * error, source))
    return found


def _of_triangle(cube, config):
    """Return claims on the distance of both spectra from the law of n -> oo."""
    found = []
    for variable, told in (
        ("exponents", "exponents of products"),
        ("log_eigenvalues", "ln |eigenvalues| of one W"),
    ):
        values = np.sort(_at_gain_one(cube, variable).values.ravel())
        share = (np.arange(len(values)) + 0.5) / len(values)
        worst = np.max(np.abs(share - _THEORY.triangle_law(values, 1.0)))
        name = f"{told}: distance from the triangle law"
        source = "circular law, Newman 1986; tolerance: 1/2 n^(-1/2), the width of the edge"
        found.append(rnnjax.Claim(name, worst, 0.0, 0.5 / math.sqrt(config["n"]), source))
    return found


def _of_fuss_catalan(cube, config):
    """Return claims on norms and moments, where the matrices are wide."""
    n, L = config["n_norm"], cube["n_factors"].values
    found = [_of_spread(cube, n)]
    if n < _LEAST_NORM_SIZE:
        return found
    few = cube.isel(gain=0).sel(n_factors=L[L <= 5]).mean("seed")
    limits = np.array([_finite_norm(int(one), n) for one in L[L <= 5]])
    moments = np.array([_THEORY.fuss_catalan(int(one), 2) for one in L[L <= 5]])
    for factors, told in (("one", "W^L"), ("new", "products of L new W")):
        norms = np.exp(few["log_norm"].sel(factors=factors).values)
        second = few["second_moment"].sel(factors=factors).values
        for values, expected, what in (
            (norms, limits, "largest singular value"), (second, moments, "fourth moment")
        ):  # fmt: skip
            name = f"{told}, L <= 5: {what}, relative, worst"
            source = f"{_FUSS_CATALAN}, at finite n"
            worst = np.max(np.abs(values / expected - 1))
            found.append(rnnjax.Claim(name, worst, 0.0, 0.03, source))
    return found


def _finite_norm(n_factors, n):
    """Return the mean largest singular value: at n = 400 and L = 5 it is 2.4 % below n -> oo."""
    shift, _ = _THEORY.largest_singular_value_spread(n_factors, n)
    return _THEORY.largest_singular_value(n_factors) * (1 + shift)


def _of_spread(cube, n):
    """Return the claim that norms of products are as far below n = oo as the edge says."""
    norm = np.exp(cube["log_norm"].isel(gain=0).sel(factors="new").mean("seed").values)
    excess = []
    for value, L in zip(norm, cube["n_factors"].values, strict=True):
        shift, deviation = _THEORY.largest_singular_value_spread(int(L), n)
        gap = (value - _finite_norm(int(L), n)) / _THEORY.largest_singular_value(int(L))
        excess.append(abs(gap) / (0.35 * abs(shift) + 3 * deviation / cube.sizes["seed"] ** 0.5))
    name = "products: norm against the finite-n edge, worst, in tolerances"
    source = "Tracy and Widom 1996; tolerance: a third of the shift, and 3 standard errors"
    return rnnjax.Claim(name, max(excess), 0.0, 1.0, source)


def _of_non_normality(cube, config):
    one, width = cube.isel(gain=0).mean("seed"), config["n"] ** -0.5
    circular = "circular law: half of |W|_F^2 is in the eigenvalues; tolerance: n finite"
    semicircle = "semicircle law of (W + W^T) / 2; tolerance: n finite"
    return [
        rnnjax.Claim("departure from normality over |W|_F", one["departure"], 0.5**0.5,
                     0.5 * width, circular),
        rnnjax.Claim("numerical abscissa over g", one["abscissa"], 2**0.5, width, semicircle),
    ]  # fmt: skip


def _of_rotations(cube):
    exponents = np.abs(_at_gain_one(cube, "exponents").values).max()
    firsts = np.abs(_at_gain_one(cube, "first_exponent").values).max()
    norm = np.abs(cube["log_norm"].values).max()
    source = "exact: a product of rotations is a rotation; tolerance: float32 rounding"
    return [
        rnnjax.Claim("orthogonal: largest |exponent - ln g|", max(exponents, firsts), 0.0, 1e-5,
                     source),
        rnnjax.Claim("orthogonal: largest |ln of the norm|", norm, 0.0, 1e-4, source),
        rnnjax.Claim("orthogonal: departure from normality over |W|_F", cube["departure"].max(),
                     0.0, 5e-3, f"{source}, whose root it is"),
    ]  # fmt: skip


def _of_chains(cube, config):
    """Return claims on scalars, all seeds together."""
    T, n_chains = config["chain_length"], config["n_chains"] * cube.sizes["seed"]
    one, s = cube.mean("seed"), cube["deviation"].values
    rates = np.array([_THEORY.scalar_chain(value, 1).mean_log for value in s])
    error = math.pi / math.sqrt(8 * T * n_chains)
    worst = np.max(np.abs(one["mean_log"].values - rates))
    variance = float(one["variance_log"].isel(deviation=0))
    squares = np.max(np.abs(one["log_mean_square"].values - np.log(s)))
    low, high = _THEORY.deceptive_deviations()
    deceptive = (one["mean_log"].values < 0) & (one["log_mean_square"].values > 0)
    expected = np.sum((s > low + 0.02) & (s < high - 0.02))
    clear = np.sum(deceptive & (s > low + 0.02) & (s < high - 0.02))
    return [
        rnnjax.Claim("scalar chains: rate minus ln s + 0.635181, worst", worst, 0.0,
                     _DEVIATIONS * error, "closed form; tolerance: 3 standard errors"),
        rnnjax.Claim("scalar chains: variance of the logarithm a step", variance, math.pi**2 / 8,
                     0.03, "closed form: pi^2 / 8; tolerance: sampling"),
        # The relative variance of a mean of (h_3)^2 is 27 - 1.
        rnnjax.Claim("scalar chains: rate of the root mean square minus ln s", squares, 0.0,
                     _DEVIATIONS * math.sqrt(26 / n_chains) / 6, "exact; 3 standard errors"),
        rnnjax.Claim("s between 1 and 1.887 with a typical decay and a growing mean square",
                     clear, expected, 0.0, "closed form: 1 < s < e^0.635181"),
    ]  # fmt: skip
