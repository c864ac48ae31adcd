"""Bad input from Python: one line that names what is wrong, before anything is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax


def loss(w, x):
    return jax.lax.scan(lambda h, x: (w * h + x, None), 0.0, x)[0] ** 2


def raising(w, x):
    raise RuntimeError("one\nline\x1b[2J and another")


def empty(w, x):
    return loss(w, x[:0])


def listening(w, x):
    return jax.lax.while_loop(lambda h: h < 1, lambda h: h + w, x[0] * w)


def of_a_batch(w, x):
    return jnp.mean(jax.vmap(lambda x: loss(w, x))(x))


def of_a_pair(w, example):
    x, y = example
    return loss(w, x) - jnp.sum(y)


X = np.ones((2, 5))
DIFFERENT = "layers: expected one or more different names, got "
ONE = "loss: expected it to take params and one example, "
NUMBER = "loss: expected one real number of shape (), got "
TAKES = f"{ONE}got "
NO_SCAN = "loss: expected a recurrence (a scan that carries numbers), got none"
# What both functions refuse; examples are one example of `recurrences`.
BOTH = {
    "loss is None": ((None, 0.5, X), "loss: expected a function (params, example) -> (), got None"),
    "loss is a number": ((3.0, 0.5, X), "loss: expected a function"),
    "loss takes one argument": ((lambda w: w, 0.5, X), TAKES),
    "loss raises": ((raising, 0.5, X), f"{TAKES}one line\\x1b[2J and another"),
    "loss of each step": ((lambda w, x: loss(w, x) * x, 0.5, X), f"{NUMBER}float64(5,)"),
    "loss of shape (1,)": ((lambda w, x: loss(w, x)[None], 0.5, X), f"{NUMBER}float64(1,)"),
    "complex loss": ((lambda w, x: loss(w, x) + 0j, 0.5, X), f"{NUMBER}complex128()"),
    "integer loss": ((lambda w, x: loss(w, x).astype(int), 0.5, X), f"{NUMBER}int64()"),
    "loss and more": ((lambda w, x: (loss(w, x), x), 0.5, X), f"{NUMBER}float64(), float64(5,)"),
    "no loss": ((lambda w, x: None, 0.5, X), f"{NUMBER}nothing"),
    "loss is text": ((lambda w, x: "a", 0.5, X), TAKES),
    "no recurrence": ((lambda w, x: w * x[0], 0.5, X), NO_SCAN),
    "a scan of no steps": ((empty, 0.5, X), "loss: "),
    "a while loop": ((listening, 0.5, X), f"{NO_SCAN}; "),
    "params are None": ((loss, None, X), "params: expected floating-point arrays, got none"),
    "params are text": ((loss, "0.5", X), "params: expected a tree of arrays, got '0.5'"),
    "params of objects": ((loss, np.array([{}]), X), "params: expected a tree of arrays, got"),
    "params of text": ((loss, np.array("a"), X), "params: expected a tree of arrays, got"),
    "integer params": ((loss, 1, X), "params: expected floating-point arrays, got none"),
    "params of another shape": ((loss, np.ones(3), X), TAKES),
    "a layer that is not there": ((loss, 0.5, X, {"layers": ["RNN"]}), "layers: expected names of "
                                  "scan_0, got 'RNN'"),
    "a name that is not there": ((loss, 0.5, X, {"layers": "b"}), "layers: expected names of "),
    "a layer by number": ((loss, 0.5, X, {"layers": [0]}), f"{DIFFERENT}[0]"),
    "layers are a number": ((loss, 0.5, X, {"layers": 0}), DIFFERENT),
    "no layers": ((loss, 0.5, X, {"layers": []}), DIFFERENT),
    "a layer twice": ((loss, 0.5, X, {"layers": ["scan_0"] * 2}), DIFFERENT),
}  # fmt: skip
OF_DIAGNOSE = {
    "no leading axis": ((loss, 0.5, 1.0), "examples: expected arrays with one leading axis of at "
                        "least 1 example, got ()"),
    "no arrays": ((loss, 0.5, None), "examples: expected arrays with one leading axis of at least "
                  "1 example, got nothing"),
    "no example": ((loss, 0.5, X[:0]), "examples: expected arrays with one leading axis"),
    "axes that differ": ((loss, 0.5, (X, X[0])), "examples: expected arrays with one leading axis "
                         "of at least 1 example, got (2, 5), (5,)"),
    "a single example": ((loss, 0.5, X[0]), f"{ONE}but it takes all of them at once: if they are"),
    "a loss of a batch": ((of_a_batch, 0.5, X), f"{ONE}but it takes all of them at once: if they"),
    "a list of examples": ((of_a_pair, 0.5, [(X[0], X[1])] * 3), f"{ONE}but the examples are a "
                           "list of them: pass jax.tree.map(lambda *a: jnp.stack(a), *examples)"),
    "text": ((loss, 0.5, ["a", X]), "examples: expected a tree of arrays, got 'a'"),
    "arrays of text": ((loss, 0.5, np.array(["a", "b"])), "examples: expected a tree of arrays"),
    "arrays of objects": ((loss, 0.5, np.array([{}, {}])), "examples: expected a tree of arrays"),
    **{
        f"{name} = {value}": ((loss, 0.5, X, {name: value}), f"{name}: expected")
        for name in ("n_closer", "longest_window", "n_exponents", "batch_size")
        for value in (0, -1, 1.5, None, "4")
    },
    "title is a number": ((loss, 0.5, X, {"title": 3}), "title: expected text, got 3"),
    "progress is text": ((loss, 0.5, X, {"progress": "bar"}), "progress: expected a function"),
}  # fmt: skip


def refused(function, given, told):
    loss, params, examples, *options = given
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        function(loss, params, examples, **(options[0] if options else {}))
    assert str(caught.value).startswith(told)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("given", "told"), BOTH.values(), ids=BOTH)
def test_neither_takes(given, told):
    first = jax.tree.map(lambda a: a[0], given[2])
    refused(rnnjax.recurrences, (*given[:2], first, *given[3:]), told)
    refused(rnnjax.diagnose, given, told)


@pytest.mark.parametrize(("given", "told"), OF_DIAGNOSE.values(), ids=OF_DIAGNOSE)
def test_a_diagnosis_does_not_take(given, told):
    refused(rnnjax.diagnose, given, told)


@pytest.mark.parametrize("example", ["a", np.array("a"), np.array([{}]), object()])
def test_an_example_is_a_tree_of_arrays(example):
    refused(rnnjax.recurrences, (loss, 0.5, example), "example: expected a tree of arrays, got")


def test_a_number_that_is_not_finite_is_no_bad_input():
    found = rnnjax.recurrences(loss, jnp.nan, X[0])
    assert np.isnan(found.loss) and np.isnan(found[0].deltas.value[:-1]).all()
