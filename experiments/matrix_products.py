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

import math
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

import rnnjax
from rnnjax import figures, sweep
from rnnjax.claims import Group, Row
from rnnjax.lazy import jax, jnp
from rnnjax.reductions import largest, median, shares_below, tabulate
from rnnjax.sweep import Traced, Variable

_THEORY = rnnjax.theory.random_matrices
_NEWMAN = "Newman 1986"
_FUSS_CATALAN = "Penson and Zyczkowski 2011, Alexeev et al. 2010"
_FACTORS = ("one", "new")  # powers of one matrix, products of new ones
_DEVIATIONS = 3.0
_LEAST_NORM_SIZE = 400  # n from which norms and moments are those of n -> oo to 3 %
_NEWMAN_FIGURE = "Newman 1986, exponents of Gaussian products"
_LOOKS = {
    "gaussian": {
        "one": figures.Look("$W^L$", figures.BLUE, "o", "none"),
        "new": figures.Look("product of $L$ new $W$", figures.VERMILION, "s", "none", hollow=True),
    },
    "orthogonal": {
        "one": figures.Look("orthogonal", figures.GREEN, "o", "none"),
        "new": figures.Look("_", figures.GREEN, "s", "none", hollow=True),
    },
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
    frame = figures.Frame(2, 2, height=4.8)
    exponents, norms, shares, chains = frame.panels
    cube = cube.isel(gain=int(abs(np.log(cube["gain"])).argmin("gain")))
    for name in cube["weights"].values:
        one, gaussian = cube.sel(weights=name), name == "gaussian"
        _draw_exponents(exponents, one, gaussian)
        _draw_norms(norms, one, _LOOKS[name], gaussian)
        _draw_participation(shares, one, _LOOKS[name], gaussian)
    _draw_chains(chains, cube.isel(weights=0))
    return frame.finished()


def _draw_exponents(panel, cube, gaussian):
    """Draw the share of exponents below a value, over all seeds, on the triangle law."""
    gain = float(cube["gain"])
    s = np.linspace(math.log(gain) - 3, math.log(gain) + 0.3, 200)
    look = figures.Look("products of new orthogonal $W$", figures.GREEN)
    drawn, theory = [(cube["exponents"], look)], {}
    if gaussian:
        theory = {"triangle law": tabulate(lambda s: _THEORY.triangle_law(s, gain), value=s)}
        drawn = [
            (cube["exponents"], figures.Look("products of new $W$", figures.VERMILION)),
            (cube["log_eigenvalues"],
             figures.Look(r"$\ln|$eigenvalues$|$ of one $W$", figures.BLUE)),
        ]  # fmt: skip
    for values, look in drawn:
        figures.curves(
            panel, shares_below(values), over="value", looks=look, line={"linewidth": 1.2},
            theory=theory if values is drawn[-1][0] else {},
            xlabel=f"exponent (nat/step), $g$ = {gain:g}", ylabel="share below", xlim=s[[0, -1]],
        )  # fmt: skip
    panel.legend(loc="upper left")


def _draw_norms(panel, cube, looks, gaussian):
    limit = tabulate(_THEORY.largest_singular_value, n_factors=cube["n_factors"])
    figures.curves(
        panel, np.exp(cube["log_norm"]), over="n_factors", each="factors", band="seed",
        edges="extremes", looks=looks, theory={r"$n = \infty$": limit} if gaussian else {},
        xlabel="factors $L$", ylabel="largest singular value$/g^L$",
    )  # fmt: skip
    panel.set(xlim=(0, None), ylim=(0, None))
    panel.locator_params(axis="x", integer=True)
    panel.legend(loc="upper left")


def _draw_participation(panel, cube, looks, gaussian):
    """Draw (sum s^2)^2 / (n sum s^4), the share of directions that a product leaves open."""
    theory = {"$1 / (L + 1)$": 1 / (cube["n_factors"] + 1)}
    shares = median(cube["first_moment"] ** 2 / cube["second_moment"])
    *_, last = figures.curves(
        panel, shares, over="n_factors", each="factors", looks=looks, xscale="log", yscale="log",
        theory=theory if gaussian else {}, xlabel="factors $L$",
        ylabel="share of directions left", ylim=(None, 1.3),
    )  # fmt: skip
    if gaussian:
        panel.legend(handles=[last], loc="lower left")


def _draw_chains(panel, cube):
    s = cube["deviation"].values
    fine = np.geomspace(s.min(), s.max(), 60)
    theory = [_THEORY.scalar_chain(one, 1) for one in fine]
    half, typical = [0.5 * one.log_mean_square for one in theory], [one.mean_log for one in theory]
    for name, line, look in (
        ("log_mean_square", half, figures.Look("root mean square", figures.PINK, "s", "none")),
        ("mean_log", typical, figures.Look("typical chain", figures.BLUE, "o", "none")),
    ):
        panel.plot(fine, line, color=look.colour, linestyle="--", linewidth=0.9)
        figures.curves(panel, cube[name].mean("seed"), over="deviation", looks=look)
    panel.axvspan(*_THEORY.deceptive_deviations(), color="#F2E6D8", zorder=0,
                  label="typical decays, mean square grows")  # fmt: skip
    figures.level(panel, y=0)
    panel.set(ylim=(None, 1.6), xlabel="standard deviation $s$ of the factors")
    panel.set_ylabel("growth (nat/step)")
    panel.legend(loc="upper left")


def _pooled(cube):
    """Return the exponents of the first gain at g = 1: means over seeds and standard errors."""
    one, n_seed, n = cube.isel(gain=0), cube.sizes["seed"], cube.setting.n

    def error(name):
        return np.sqrt((one[name] ** 2).mean("seed") / n_seed)

    at_one = {name: one[name] - np.log(one["gain"]) for name in ("exponents", "first_exponent")}
    return one.assign(
        **{name: values.mean("seed") for name, values in at_one.items()},
        exponent_errors=error("exponent_errors"),
        first_error=error("first_error"),
        expected=("index", _THEORY.product_exponents(n, 1.0)),
    )


def _standard_errors(one):
    return (one["exponents"] - one["expected"]) / one["exponent_errors"]


def _off_triangle_law(cube, variable):
    shares = shares_below(cube[variable] - np.log(cube["gain"]))
    return largest(abs(shares - _THEORY.triangle_law(shares["value"], 1.0)))


def _finite_norm(n_factors, n):
    """Return the mean largest singular value: at n = 400 and L = 5 it is 2.4 % below n -> oo."""
    shift, _ = _THEORY.largest_singular_value_spread(n_factors, n)
    return _THEORY.largest_singular_value(n_factors) * (1 + shift)


def _off_the_edge(cube):
    """Return how far norms of products are off the edge at finite n, in tolerances, worst."""
    n, excess = cube.setting.n_norm, []
    norm = np.exp(cube["log_norm"].isel(gain=0).sel(factors="new").mean("seed").values)
    for value, L in zip(norm, cube["n_factors"].values, strict=True):
        shift, deviation = _THEORY.largest_singular_value_spread(int(L), n)
        gap = (value - _finite_norm(int(L), n)) / _THEORY.largest_singular_value(int(L))
        excess.append(abs(gap) / (0.35 * abs(shift) + 3 * deviation / cube.sizes["seed"] ** 0.5))
    return max(excess)


def _off_fuss_catalan(few, what):
    """Return the worst relative gap of norms or fourth moments to their values at finite n."""
    few, n = few.isel(gain=0).mean("seed"), few.setting.n_norm
    if what == "fourth moment":
        found, expected = few["second_moment"], lambda L: _THEORY.fuss_catalan(int(L), 2)
    else:
        found, expected = np.exp(few["log_norm"]), lambda L: _finite_norm(int(L), n)
    return largest(abs(found / tabulate(expected, n_factors=few["n_factors"]) - 1))


def _off_log_gain(cube):
    gaps = (cube[name] - np.log(cube["gain"]) for name in ("exponents", "first_exponent"))
    return max(largest(abs(gap)) for gap in gaps)


def _pooled_chains(cube):
    """Return the chains of all seeds together, with the rate that is expected of them."""
    one = cube.isel(weights=0, gain=0)
    rate = tabulate(lambda s: _THEORY.scalar_chain(s, 1).mean_log, deviation=cube["deviation"])
    means = {name: one[name].mean("seed") for name in ("mean_log", "log_mean_square",
                                                       "variance_log")}  # fmt: skip
    return one.assign(**means, rate=rate)


def _n_chains(one):
    return one.setting.n_chains * one.sizes["seed"]


def _clear(one):
    """Return which s are clearly between the two bounds."""
    low, high = _THEORY.deceptive_deviations()
    return (one["deviation"] > low + 0.02) & (one["deviation"] < high - 0.02)


def _deceptive(one):
    return ((one["mean_log"] < 0) & (one["log_mean_square"] > 0) & _clear(one)).sum()


_ENDS = ({"which": "largest", "place": 0}, {"which": "least", "place": -1})
_SPECTRA = (
    {"variable": "exponents", "told": "exponents of products", "figure": _NEWMAN_FIGURE},
    {"variable": "log_eigenvalues", "told": "ln |eigenvalues| of one W", "figure": ""},
)
_PRODUCTS = (
    {"factors": "one", "told": "W^L"},
    {"factors": "new", "told": "products of L new W"},
)
_EXACT = "exact: a product of rotations is a rotation; tolerance: float32 rounding"
CLAIMS = (
    Group((
        Group((
            Row("n = {cube.setting.n}: {which} exponent, g = 1",
                lambda one, place: one["exponents"][place], for_each=_ENDS,
                equals=lambda one, place: one["expected"][place],
                tolerance=lambda one, place: _DEVIATIONS * one["exponent_errors"][place]),
            Row("n = {cube.setting.n}: mean exponent, g = 1", lambda one: one["exponents"].mean(),
                equals=lambda one: one["expected"].mean(), tolerance=lambda one:
                    _DEVIATIONS * np.sqrt((one["exponent_errors"] ** 2).mean() / one.setting.n)),
            Row("n = {cube.setting.n}: all exponents, root mean square in standard errors",
                lambda one: np.sqrt((_standard_errors(one) ** 2).mean()), at_most=1,
                tolerance=lambda one: _DEVIATIONS / math.sqrt(2 * one.setting.n)),
            Row("matrices of size {size}: largest exponent, g = 1",
                lambda one: one["first_exponent"], for_each="size",
                equals=lambda one, size: _THEORY.product_exponents(size, 1.0)[0],
                tolerance=lambda one: _DEVIATIONS * one["first_error"], reproduces=_NEWMAN_FIGURE),
        ), part=_pooled, source=f"{_NEWMAN}: exact at every n; tolerance: 3 standard errors",
           reproduces=lambda one: _NEWMAN_FIGURE if one.setting.n == 100 else ""),
        Row("{told}: distance from the triangle law", _off_triangle_law, for_each=_SPECTRA,
            equals=0, tolerance=lambda one: 0.5 / math.sqrt(one.setting.n), reproduces="{figure}",
            source="circular law, Newman 1986; tolerance: 1/2 n^(-1/2), the width of the edge"),
        Row("products: norm against the finite-n edge, worst, in tolerances", _off_the_edge,
            equals=0, tolerance=1, source="Tracy and Widom 1996; tolerance: a third of the shift, "
            "and 3 standard errors"),
        Group((
            Row("{told}, L <= 5: {what}, relative, worst", _off_fuss_catalan,
                for_each={"what": ("largest singular value", "fourth moment")}, equals=0,
                tolerance=0.03, source=f"{_FUSS_CATALAN}, at finite n",
                reproduces="Penson and Zyczkowski 2011, Fuss-Catalan moments"),
        ), for_each=_PRODUCTS, at={"n_factors": lambda L: L <= 5},
           when=lambda one: one.setting.n_norm >= _LEAST_NORM_SIZE),
        Row("departure from normality over |W|_F", lambda one: one["departure"][{"gain": 0}].mean(),
            equals=0.5**0.5, tolerance=lambda one: 0.5 * one.setting.n**-0.5,
            source="circular law: half of |W|_F^2 is in the eigenvalues; tolerance: n finite"),
        Row("numerical abscissa over g", lambda one: one["abscissa"][{"gain": 0}].mean(),
            equals=2**0.5, tolerance=lambda one: one.setting.n**-0.5,
            source="semicircle law of (W + W^T) / 2; tolerance: n finite"),
    ), at={"weights": "gaussian"}),
    Group((
        Row("orthogonal: largest |exponent - ln g|", _off_log_gain, equals=0, tolerance=1e-5),
        Row("orthogonal: largest |ln of the norm|", lambda one: largest(abs(one["log_norm"])),
            equals=0, tolerance=1e-4),
        Row("orthogonal: departure from normality over |W|_F", lambda one: one["departure"].max(),
            equals=0, tolerance=5e-3, source=f"{_EXACT}, whose root it is"),
    ), at={"weights": "orthogonal"}, source=_EXACT),
    Group((
        Row("scalar chains: rate minus ln s + 0.635181, worst",
            lambda one: largest(abs(one["mean_log"] - one["rate"])), equals=0,
            tolerance=lambda one: _DEVIATIONS * math.pi
                / math.sqrt(8 * one.setting.chain_length * _n_chains(one)),
            source="closed form; tolerance: 3 standard errors"),
        Row("scalar chains: variance of the logarithm a step", lambda one: one["variance_log"][0],
            equals=math.pi**2 / 8, tolerance=0.03,
            source="closed form: pi^2 / 8; tolerance: sampling"),
        # The relative variance of a mean of (h_3)^2 is 27 - 1.
        Row("scalar chains: rate of the root mean square minus ln s",
            lambda one: largest(abs(one["log_mean_square"] - np.log(one["deviation"]))), equals=0,
            tolerance=lambda one: _DEVIATIONS * math.sqrt(26 / _n_chains(one)) / 6,
            source="exact; 3 standard errors"),
        Row("s between 1 and 1.887 with a typical decay and a growing mean square", _deceptive,
            equals=lambda one: _clear(one).sum(), source="closed form: 1 < s < e^0.635181"),
    ), part=_pooled_chains),
)  # fmt: skip
