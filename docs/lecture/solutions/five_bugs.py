"""Exercise 7: the evidence for the bug of each program in ../broken."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax

BROKEN = Path(__file__).parents[1] / "broken"


def program(n):
    """Return one of the broken programs as a module."""
    spec = importlib.util.spec_from_file_location(f"program_{n}", BROKEN / f"program_{n}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def state_is_not_reset():
    """1: `h` of one batch begins the next, though its sequences have nothing to do with it."""
    module = program(1)
    params, (x, y) = module.init(jax.random.key(0)), module.batch(jax.random.key(1))
    run, zero = jax.jit(module.batch_loss), jnp.zeros((len(x), module.N))
    _, before = run(params, zero, *module.batch(jax.random.key(2)))
    fresh, after = (run(params, h, x, y)[1] @ params["v"] for h in (zero, before))
    changed = jnp.sqrt(jnp.mean((after - fresh) ** 2) / jnp.mean(fresh**2))
    return {"change of the outputs by the batch before": changed}


def clipped_before_the_mean():
    """2: every example is clipped, so that the mean is of directions and not of gradients."""
    module = program(2)
    at = module.params, module.examples
    each = jax.jit(jax.vmap(jax.grad(module.loss), (None, 0)))(*at)
    flat = np.concatenate([np.reshape(g, (len(g), -1)) for g in jax.tree.leaves(each)], axis=1)
    norms, mean = np.linalg.norm(flat, axis=1), flat.mean(axis=0)
    update = np.concatenate([np.ravel(g) for g in jax.tree.leaves(module.update_direction(*at))])
    cosine = mean @ update / np.linalg.norm(mean) / np.linalg.norm(update)
    return {
        "share of examples clipped": np.mean(norms > module.LIMIT),
        "largest norm over the limit": norms.max() / module.LIMIT,
        "cosine of the update with the gradient": cosine,
    }


def gate_of_the_wrong_sign():
    """3: h = (1 - gate) h + gate new: a gate near 1, by its bias, does not keep but overwrites."""
    module = program(3)
    told = jax.jit(rnnjax.monitor(module.loss))(module.params, module.examples, 0)
    kept = 1 / (1 + np.exp(-module.KEEP))
    return {"exponent, nat a step": told["scan_0/exponent"],
            "exponent if the gate kept": np.log(kept),
            "mean of what is kept": told["scan_0/gate_mean"]}  # fmt: skip


def loss_of_padding():
    """4: t counts from 0, so that t <= length takes in the first step of the padding."""
    module = program(4)
    params, batch = module.params, module.examples
    x, _, lengths = batch
    by_x = jax.jit(jax.vmap(jax.grad(lambda x, p, y, n: module.loss(p, (x, y, n))),
                            (0, None, 0, 0)))(x, params, *batch[1:])  # fmt: skip
    reached = np.abs(by_x[..., 0]) > 0
    last = np.where(reached, np.arange(1, module.T + 1), 0).max(axis=1)
    padded = np.asarray(lengths) < module.T
    return {"last step with a gradient, less the length": np.mean((last - lengths)[padded]),
            "share of sequences": np.mean(padded)}  # fmt: skip


def detached_state():
    """5: stop_gradient on the state: the forward pass is right, and nothing goes back."""
    module = program(5)
    params, (x, y) = module.params, module.examples
    told = jax.jit(rnnjax.monitor(module.loss))(params, (x, y), 0)
    run, grad = jax.jit(module.loss), jax.jit(jax.grad(lambda x, p, y: module.loss(p, (x, y))))
    late = grad(x[0], params, y[0])[-2, 0]  # an input one step before the last
    up, down = (run(params, (x[0].at[-2].add(s), y[0])) for s in (1e-2, -1e-2))
    return {"horizon in steps": told["scan_0/horizon"], "dL/dx(T-1) by autodiff": late,
            "dL/dx(T-1) by difference": (up - down) / 2e-2}  # fmt: skip


BUGS = (
    state_is_not_reset, clipped_before_the_mean, gate_of_the_wrong_sign, loss_of_padding,
    detached_state,
)  # fmt: skip


def answer():
    """Return the numbers of the exercise."""
    return {bug.__name__: {k: float(v) for k, v in bug().items()} for bug in BUGS}


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    for n, (bug, evidence) in enumerate(answer().items(), 1):
        print(f"{n}  {bug.replace('_', ' ')}")
        print(*(f"     {name:44} {value:.4g}" for name, value in evidence.items()), sep="\n")
