"""The fast gradient with Omega, against the rule and the penalty that it stands for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.penalties import Omega, Penalised, omega_at_end, sgd_cr
from rnnjax.rules import BPTT, batch_gradient
from rnnjax.tasks import TemporalOrder


def made(activation, shortest, gain):
    cell = rnnjax.Vanilla(6, 5, 4, activation=rnnjax.activation_named(activation), gain=gain)
    task = TemporalOrder(14, shortest)

    def drawn(key):
        return cell.init(key), jax.vmap(task.sample)(jax.random.split(key, 6))

    return cell, task, drawn


@pytest.mark.wide
@pytest.mark.parametrize(
    ("activation", "shortest"),
    [("sigmoid", None), pytest.param("tanh", 10, marks=pytest.mark.wide)],
)
def test_it_is_what_the_rule_with_the_penalty_gives(activation, shortest):
    """On sequences of one and of many lengths, whose losses differ in weight."""
    cell, task, drawn = made(activation, shortest, 1.3)

    @jax.jit
    def both(key):
        params, batch = drawn(key)
        # Targets where no loss falls due are of no use.
        batch = batch.replace(
            y=jnp.where(batch.mask[..., None] != 0, batch.y, jnp.nan),
            mask=batch.mask * jnp.linspace(0.2, 3, len(batch.mask))[:, None],
        )
        last = None if shortest is None else jnp.argmax(batch.mask, axis=1)
        loss, gradient, exponent = omega_at_end.gradient(cell, params, batch, 0.7, last)
        mine = jax.tree.map(lambda g: g * jnp.exp(exponent), gradient)
        rule = Penalised(BPTT(), Omega(), 0.7)
        out = batch_gradient(rule, cell, task.loss, params, batch, ())
        return loss, mine, out.loss, rnnjax.scaled.plain(out.grads)

    loss, mine, expected_loss, expected = both(jax.random.key(3))
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-12)
    for name, one, other in zip(mine._fields, mine, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-14, err_msg=name)


def test_no_norm_is_too_large():
    """States near 0 keep the slopes at 1: the gradient grows by 1e30 a step."""
    cell, _, drawn = made("tanh", None, 1e30)

    @jax.jit
    def found(key):
        params, batch = drawn(key)
        # A silent network: no input reaches it, and its state is 0.
        params = params._replace(U=jnp.zeros_like(params.U))
        return omega_at_end.gradient(cell, params, batch, 0.0)

    out = found(jax.random.key(0))
    assert out.exponent > 700
    largest = max(float(jnp.max(jnp.abs(leaf))) for leaf in out.gradient)
    assert 0.01 < largest < 100


@pytest.mark.parametrize(
    ("cell", "got"),
    [
        (rnnjax.Vanilla(2, 3, 2, activation=rnnjax.activations.relu), "relu units"),
        (rnnjax.Vanilla(2, 3, 2, leak=0.5), "leak 0.5"),
        (rnnjax.GRU(2, 3, 2), "GRU"),
    ],
    ids=["relu", "leak", "GRU"],
)
def test_other_cells_are_refused(cell, got):
    """By training and by testing too."""
    params, task = cell.init(jax.random.key(0)), rnnjax.tasks.TemporalOrder(length=10)
    batch = rnnjax.Batch(jnp.ones((1, 4, 2)), jnp.ones((1, 4, 2)), jnp.eye(4)[-1:])
    message = f"cell: expected a Vanilla network of tanh or sigmoid units with leak 1, got {got}"
    with pytest.raises(ValueError, match=message):
        omega_at_end.gradient(cell, params, batch, 1.0)
    with pytest.raises(ValueError, match=message):
        sgd_cr.error_rate(cell, task, params, jax.random.key(0), n_sequences=2)


def test_a_loss_on_the_way_is_refused():
    cell = rnnjax.Vanilla(2, 3, 2)
    params, x = cell.init(jax.random.key(0)), jnp.ones((1, 4, 2))
    for weights, last in (([0, 1, 0, 1], None), ([0, 1, 0, 0], None), ([0, 0, 0, 1], [2])):
        batch = rnnjax.Batch(x, x, jnp.array([weights], float))
        ends = None if last is None else np.array(last)
        with pytest.raises(ValueError, match=r"mask: expected a weight at .* alone, got another"):
            omega_at_end.gradient(cell, params, batch, 1.0, ends)


def test_the_weight_of_a_loss_counts_and_its_target_is_that_of_the_end():
    cell, _, drawn = made("tanh", None, 1.3)

    @jax.jit
    def found(key):
        params, batch = drawn(key)
        elsewhere = batch.mask.at[0, 3].set(1.0)
        half = batch.replace(mask=batch.mask / 2, y=batch.y.at[:, :-1].set(jnp.nan))
        each = [batch, half, batch.replace(mask=elsewhere)]
        return [omega_at_end.gradient(cell, params, one, 0.0) for one in each]

    whole, half, lost = found(jax.random.key(3))
    np.testing.assert_allclose(half.loss, whole.loss / 2, rtol=1e-12)
    size = [one.gradient.W * jnp.exp(one.exponent) for one in (whole, half)]
    np.testing.assert_allclose(size[1], size[0] / 2, rtol=1e-12)
    # Known only as the program runs.
    assert np.isnan(lost.loss) and all(np.isnan(leaf).any() for leaf in lost.gradient)
