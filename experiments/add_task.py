"""Which lag does a learning rule learn, and what cross-entropy does it reach?

In the add task a coin's bias depends on the inputs lag_1 and lag_2 steps back, so the cross-entropy
tells which of the two a network uses: three exact plateaus, for none, the first and both. Every
rule trains the same networks on the same streams with an update at every step; truncated
backpropagation once a block, with its state carried on, and BPTT once a sequence.

What is reported is no training loss. It is the cross-entropy against the exact probabilities on
fresh streams, with each of the four pasts given its exact share: free of label noise, and never
below the entropy of the task. Two controls have no rule at all: "readout only" keeps its recurrent
weights, so what it gains is what random features happen to carry; "memoryless" has no recurrent
weights, and must stay on the first plateau.

Command:   rnnjax run add_task
Run time:  about 4 minutes on 2 cores, compiling included.
Figure:    (a) the cross-entropy of every rule at its better learning rate, one dot a seed, beside
           the plateaus. (b) how much of the effect of either lag is found in the answers, 1 being
           all of it. (c) the cross-entropy over the window of truncated backpropagation, with the
           lags marked: behind them the lag is in the gradient. It must show BPTT and RTRL on the
           last plateau.
Source:    Pitis, Recurrent neural networks in Tensorflow I, r2rt.com, 2016 (task, plateaus,
           windows); Marschall, Cho and Savin, A unified framework of online learning algorithms for
           training recurrent neural networks, Journal of Machine Learning Research, 2020.
"""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

import rnnjax
from rnnjax import figures, names, sweep
from rnnjax.claims import Group, Row, swept
from rnnjax.errors import ConfigError
from rnnjax.figures import Frame, Look
from rnnjax.lazy import jax, jnp, optax
from rnnjax.reductions import at_best, largest
from rnnjax.sweep import Named, Traced, Variable

COMPILE = "quickly"

_THEORY = rnnjax.theory.add_task
_PLATEAUS = _THEORY.plateaus()
_PASTS = ("00", "01", "10", "11")  # (x at lag_1, x at lag_2)
_PROBABILITIES = tuple(_THEORY.probability(float(first), float(second)) for first, second in _PASTS)
_N_HELD_OUT = 16  # streams
_HELD_OUT_LENGTH = 400  # steps that count, in each of them
_KINDS = {
    "exact": Look("exact", "#000000", "o"),
    "truncated": Look("truncated BPTT, state carried", "#23408f", "s"),
    "decays": Look("exact with a decay", "#56b4e9", "h"),
    "unbiased": Look("unbiased, random", "#2f9e77", "^"),
    "learned": Look("learned model of the future", "#c2478f", "D"),
    "local": Look("within the unit", "#e08a1e", "v"),
    "control": Look("control", "#808080", "X"),
}
_WORDS = {
    "BPTT": ("exact", "BPTT"),
    "RTRL": ("exact", "RTRL"),
    "SnAp(n=2)": ("exact", "SnAp-2 (= RTRL)"),
    "EligibilityTrace(decay=0.7)": ("decays", "eligibility trace, decay 0.7"),
    "UORO": ("unbiased", "UORO"),
    "KFRTRL": ("unbiased", "KF-RTRL"),
    "ReverseKFRTRL": ("unbiased", "reverse KF-RTRL"),
    "NodePerturbation": ("unbiased", "node perturbation"),
    "KeRNL": ("learned", "KeRNL"),
    "DNI": ("learned", "DNI"),
    "SnAp": ("local", "SnAp-1"),
    "EProp(autapse=False)": ("local", "e-prop"),
    "RFLO": ("local", "RFLO"),
    "RFLO(feedback=random)": ("local", "RFLO, random feedback"),
}
_RFLO, _EPROP, _RTRL = (f"{name}/trained" for name in ("RFLO", "EProp(autapse=False)", "RTRL"))
_READOUT, _MEMORYLESS = "RFLO/fixed", "RFLO/none"


class Setting(sweep.Setting):
    """The task, the network, the rule, and how long it trains."""

    rule: Annotated[str, Named("rules", words=("random",))] = "RTRL"
    recurrence: Literal["trained", "fixed", "none"] = Field(
        "trained", description="the recurrent network: trained, as drawn, or without its weights"
    )
    learning_rate: PositiveFloat = Field(0.003, description="of Adam; lowered along a cosine")
    seed: Traced[int] = 0
    lag_1: PositiveInt = Field(3, description="the lag that is worth more")
    lag_2: PositiveInt = Field(8, description="the other lag")
    n_h: PositiveInt = Field(12, description="units; RTRL costs their fourth power")
    gain: NonNegativeFloat = Field(
        0.5, description="of the initial recurrent weights; a small one carries few random features"
    )
    leak: float = Field(1.0, gt=0, le=1, description="a in h' = (1 - a) h + a f(...)")
    batch_size: PositiveInt = Field(20, description="streams side by side")
    n_steps: PositiveInt = Field(9000, description="steps of a stream, each with an update")
    n_blocks: PositiveInt = Field(
        1500, description="least number of updates of rules with one update a block"
    )
    length: PositiveInt = Field(40, description="steps of a sequence of BPTT")
    axes = (("case", "rule", "recurrence"), "learning_rate", "seed")

    @model_validator(mode="after")
    def _lags_differ(self) -> Self:
        if self.lag_1 == self.lag_2:
            raise ConfigError("lag_2", f"expected a lag other than lag_1 = {self.lag_1}")
        longest = max(self.lag_1, self.lag_2)
        for name in ("length", "n_steps"):
            if getattr(self, name) <= longest:
                raise ConfigError(name, f"expected more steps than the longer lag, {longest}")
        return self


def coordinates(setting):
    """The four pasts, as the inputs at lag_1 and lag_2."""
    return {"past": np.array(_PASTS)}


def variables(setting):
    """What is measured in every cell of the sweep."""
    return {
        "cross_entropy": Variable((), "against the exact probabilities, on fresh streams", "nat"),
        "cross_entropy_error": Variable((), "standard error of cross_entropy", "nat"),
        "answer": Variable(("past",), "mean probability given to y = 1 after each past"),
    }


def _task(setting, length, drawn=True):
    return rnnjax.tasks.AddTask(setting.lag_1, setting.lag_2, length, drawn)


def _cell(setting):
    return rnnjax.Vanilla(2, setting.n_h, 2, leak=setting.leak, gain=setting.gain, bias_gain=0.1)


def shared(setting):
    """Draw weights and keys, the same for every rule and learning rate."""
    key, *keys = jax.random.split(jax.random.key(setting.seed), 4)
    return _cell(setting).init(key), keys


def measure(setting, shared):
    """Train one network by a rule, and ask it about fresh streams."""
    params, (key_training, key_rule, key_held_out) = shared
    if setting.recurrence == "none":
        params = params._replace(W=0 * params.W)
    trained = _trained(setting, params, key_training, key_rule)
    length = _HELD_OUT_LENGTH + max(setting.lag_1, setting.lag_2)
    keys = jax.random.split(key_held_out, _N_HELD_OUT)
    return _asked(_cell(setting), _task(setting, length, drawn=False), trained, keys)


def _trained(setting, params, key_training, key_rule):
    """Parameters after training; the learning rate is lowered along a cosine."""
    cell = _cell(setting)
    random = rnnjax.rules.random_feedback(key_rule, cell, params)
    rule = rnnjax.rules.named(setting.rule, {"random": random})
    by_sequence = isinstance(rule, rnnjax.BPTT)
    block = setting.length if by_sequence else getattr(rule, "window", 1)
    n_updates = setting.n_steps if block == 1 else max(setting.n_steps // block, setting.n_blocks)
    # The mean over a block has that much less noise; without this the longest would be slowest.
    schedule = optax.cosine_decay_schedule(setting.learning_rate * block**0.5, n_updates)
    optimiser = optax.adam(schedule)
    if setting.recurrence != "trained":
        kept = params._replace(W=True, U=True, b=True, V=False, c=False)
        optimiser = optax.chain(optimiser, optax.masked(optax.set_to_zero(), kept))
    length = block if by_sequence else n_updates * block
    return rnnjax.fit_online(
        cell, _task(setting, length), rule, optimiser, key_training,
        n_sequences=n_updates * block // length, batch_size=setting.batch_size,
        steps_per_update=block, params=params,
    ).params  # fmt: skip


def _asked(cell, task, params, keys):
    """Cross-entropy with its error, and the answers.

    Every past, with x_t behind it, has its exact share: an eighth. A network without memory is then
    measured without chance, and never below its plateau.
    """
    streams = jax.vmap(task.sample)(keys)
    logits = jax.vmap(lambda x: rnnjax.outputs(cell, params, x))(streams.x)
    losses = jax.vmap(jax.vmap(task.loss))(logits, streams.y)
    # The four pasts have four probabilities, so the target tells which it is.
    past = streams.y[..., 1:] == jnp.array(_PROBABILITIES)[None, None]
    past = past * streams.mask[..., None]
    strata = (past[..., None] * streams.x[..., None, :]).reshape(*losses.shape, -1)
    of_case, error = rnnjax.analysis.stratified(losses, strata)
    answer, _ = rnnjax.analysis.stratified(jax.nn.softmax(logits)[..., 1], strata)
    cross_entropy = jnp.mean(of_case)
    return {
        "cross_entropy": jnp.where(jnp.isfinite(cross_entropy), cross_entropy, jnp.inf),
        "cross_entropy_error": error,
        "answer": jnp.mean(answer.reshape(len(_PASTS), -1), axis=1),
    }


def _best(cube):
    """The cube at every rule's learning rate of the least median cross-entropy."""
    return at_best(cube, cube["cross_entropy"].median("seed"), "learning_rate")


def _effects(cube):
    """Share of the effect of either lag that the answers have, by (case, seed) each."""
    signs = np.array([[-1, -1, 1, 1], [-1, 1, -1, 1]])  # of the pasts, for lag_1 and lag_2
    answer = cube["answer"]
    return [
        (answer * answer["past"].copy(data=sign)).sum("past", skipna=False)
        / np.sum(sign * _PROBABILITIES)
        for sign in signs
    ]


def _window(case):
    """The window of truncated backpropagation, 0 for other rules."""
    call = names.parsed(case.partition("/")[0])
    return call.fields["window"] if call.name == "TruncatedBPTT" else 0


def _look(case):
    """The look of a case: that of its kind, with words of its own."""
    rule, _, recurrence = case.partition("/")
    if recurrence != "trained":
        kind, words = "control", {"fixed": "readout only", "none": "memoryless"}[recurrence]
    elif window := _window(case):
        kind, words = "truncated", f"truncated BPTT, $K$ = {window}"
    else:
        kind, words = _WORDS.get(rule, ("local", rule))
    return Look(words, _KINDS[kind].colour, _KINDS[kind].marker, size=3)


def figure(cube):
    """Cross-entropies by rule, what of the lags is in the answers, and the window."""
    best, lags = _best(cube), [cube.setting.lag_1, cube.setting.lag_2]
    order = sorted(map(str, cube["case"].values),
                   key=lambda c: (float(best["cross_entropy"].sel(case=c).median()), c))  # fmt: skip
    looks = {case: _look(case) for case in order}
    frame = Frame(1, 3, height=1.9 + 0.155 * len(order), width_ratios=(1.6, 0.8, 1.0))
    by_rule, by_lag, by_window = frame.panels
    figures.dot_rows(by_rule, best["cross_entropy"], rows="case", looks=looks, spread=0,
                     median=True, dots={"alpha": 0.45, "markeredgewidth": 0}, xlim=(0.44, 0.69),
                     xlabel="cross-entropy on fresh streams (nat)")  # fmt: skip
    _draw_effects(by_lag, best.sel(case=order), lags)
    _draw_windows(by_window, best, lags)
    plateau = {"color": "#b02020", "linewidth": 0.9, "dashes": (0, (3.2, 1.8))}
    words = ("neither lag", f"lag {lags[0]} alone", "both lags")
    for value, text in zip(_PLATEAUS, words, strict=True):
        figures.level(by_rule, x=value, text=text, **plateau)
        figures.level(by_window, y=value, **plateau)
    kinds = {look.colour for look in looks.values()}
    return frame.finished([k.handle(linestyle="", markersize=4.5) for k in _KINDS.values()
                           if k.colour in kinds])  # fmt: skip


def _draw_effects(panel, best, lags):
    rows = np.arange(best.sizes["case"])
    looks = (Look("", "#23408f", "o", size=3.8), Look("", "#eaa12f", "D", hollow=True, size=3.8))
    for lag, share, look in zip(lags, _effects(best), looks, strict=True):
        median = np.clip(share.median("seed"), -0.1, 1.2)
        panel.plot(median, rows, **look.dots(label=f"lag {lag}"))
    for share in (0, 1):
        figures.level(panel, x=share, linewidth=0.7)
    panel.set(xlabel="share of the effect", xlim=(-0.12, 1.22), ylim=(len(rows) - 0.5, -0.5))
    panel.set_yticks(rows, [])
    panel.legend(loc="lower center", bbox_to_anchor=(0.56, 0.985), ncols=2, fontsize=6.5,
                 handletextpad=0.1, columnspacing=0.8, borderpad=0.1)  # fmt: skip


def _draw_windows(panel, best, lags):
    """Cross-entropy over the window K, one dot a seed, with the lags behind which it must see."""
    windows = sorted((window, case) for case in best["case"].values if (window := _window(case)))
    K, cases = map(list, zip(*windows, strict=True)) if windows else ([], [])
    values, look = best["cross_entropy"].sel(case=cases), _KINDS["truncated"]
    panel.plot(K, values, **look.dots(markersize=3, alpha=0.45, markeredgewidth=0))
    panel.plot(K, values.median("seed"), color=look.colour)
    for lag in lags:
        figures.level(panel, x=lag, color="#909090", linewidth=0.8, dashes=":", text=f"lag {lag}")
    panel.set(xlabel="window $K$ (steps)", ylabel="cross-entropy (nat)", ylim=(0.44, 0.69))
    panel.set(xlim=(0, max([*K, *lags]) + 1))


def _reaching(cube):
    """The cases that must reach the last plateau, but for BPTT and RTRL."""
    longest = max(cube.setting.lag_1, cube.setting.lag_2)
    cases = cube["case"].values
    return {"case": [c for c in cases if _window(c) > longest or c == "SnAp(n=2)/trained"]}


def _median(one):
    return one["cross_entropy"].median()


def _forgets(cube):
    """Whether a network with its initial recurrent weights keeps little of lag_1."""
    return cube.setting.gain <= 0.5 and cube.setting.leak == 1 and cube.setting.lag_1 >= 3


def _two_names(cube):
    values = cube["cross_entropy"]
    return largest(abs(values.sel(case=_RFLO) - values.sel(case=_EPROP)))


_PITIS = "Pitis 2016; Marschall, Cho and Savin 2020, add task"
_REACHES = Row(
    lambda one, case: f"{_look(case).label}: cross-entropy, median over seeds, nat", _median, equals=_PLATEAUS.both_lags,
    tolerance=0.01,
    source="the entropy of the task: Pitis 2016 (window 10); closed form (rnnjax.theory.add_task)",
)  # fmt: skip
CLAIMS = (
    Row("least cross-entropy of any run, nat", lambda cube: cube["cross_entropy"].min(),
        at_least=_PLATEAUS.both_lags, tolerance=1e-5,
        source="exact: no predictor beats the entropy; tolerance: float32 rounding"),
    Group((_REACHES,), part=_best, for_each={"case": ["BPTT/trained", _RTRL]}, reproduces=_PITIS),
    Group((_REACHES,), part=_best, for_each=_reaching),
    Group((
        Row("RTRL: share of the effect of lag {cube.setting.lag_1} in the answers, median",
            lambda one: _effects(one)[0].median(), equals=1),
        Row("RTRL: share of the effect of lag {cube.setting.lag_2} in the answers, median",
            lambda one: _effects(one)[1].median(), equals=1),
    ), part=_best, at={"case": _RTRL}, tolerance=0.2,
        source="the law of the task; tolerance: 0.01 nat is a share of 0.4 at the lag worth less"),
    Row("RFLO against e-prop without autapses: largest difference of a run, nat", _two_names,
        equals=0, tolerance=1e-4, when=swept(case=(_RFLO, _EPROP)),
        source="exact: one trace under two names where no unit hears itself "
        "(Murray 2019; Bellec 2020)"),
    Group((
        Row("memoryless: least cross-entropy of any run, nat",
            lambda one: one["cross_entropy"].min(), at_least=_PLATEAUS.no_memory, tolerance=1e-5,
            source="exact: x_t says nothing of y_t; tolerance: float32 rounding"),
        Row("memoryless: cross-entropy, median, nat", _median, equals=_PLATEAUS.no_memory,
            tolerance=0.005,
            source="the entropy of the mean answer: Pitis 2016; tolerance: training"),
    ), at={"case": _MEMORYLESS}, reproduces=_PITIS),
    Row("readout only: least cross-entropy of a seed, nat", lambda one: one["cross_entropy"].min(),
        part=_best, at={"case": _READOUT}, when=_forgets, at_least=_PLATEAUS.first_lag,
        source="control: what a rule gains beyond the first lag is not in the network from the "
        "start"),
)  # fmt: skip
