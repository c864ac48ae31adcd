"""How far back does a network look that predicts the next character, and what did training change?

    python examples/characters.py PAGE       diagnose the trained network, about 20 s
    python examples/characters.py --train    train it again and write characters.safetensors and
                                             pages/characters.html, before and after, 10 minutes

The loss is that of the last character, so that the gradient at lag k is what a state k steps ago
does to one prediction, not a sum over many.
"""

import sys
from pathlib import Path
from pydoc_data.topics import topics

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from safetensors.numpy import load_file, save_file

import rnnjax

FOLDER = Path(__file__).parent
TEXT = np.frombuffer("".join(topics.values()).encode("ascii", "replace"), np.uint8)  # Python's help
N_SEEN = 400_000
T, N_EXAMPLES, N_UPDATES, BATCH_SIZE = 100, 16, 3000, 32


class Characters(nnx.Module):
    def __init__(self, rngs, n=64):
        self.embedding = nnx.Embed(128, 16, rngs=rngs)
        self.lower = nnx.RNN(nnx.OptimizedLSTMCell(16, n, rngs=rngs), rngs=rngs)
        self.upper = nnx.RNN(nnx.OptimizedLSTMCell(n, n, rngs=rngs), rngs=rngs)
        self.head = nnx.Linear(n, 128, rngs=rngs)

    def __call__(self, text):
        return self.head(self.upper(self.lower(self.embedding(text))))


graph, untrained, rest = nnx.split(Characters(nnx.Rngs(0)), nnx.Param, ...)


def losses(params, text):
    logits = nnx.merge(graph, params, rest, copy=True)(text[:-1])
    return optax.softmax_cross_entropy_with_integer_labels(logits, text[1:].astype(int))


def loss(params, text):
    return losses(params, text)[-1]


def pieces(rng, n, text):
    starts = rng.integers(len(text) - T, size=n)
    return np.stack([text[i : i + T + 1] for i in starts])


def trained(params):
    rng, optimiser = np.random.default_rng(0), optax.adam(optax.cosine_decay_schedule(5e-3, N_UPDATES))

    @jax.jit
    def update(params, state, texts):
        grads = jax.grad(lambda p: jax.vmap(losses, (None, 0))(p, texts).mean())(params)
        updates, state = optimiser.update(grads, state)
        return optax.apply_updates(params, updates), state

    state = optimiser.init(params)
    for _ in range(N_UPDATES):
        params, state = update(params, state, pieces(rng, BATCH_SIZE, TEXT[:N_SEEN]))
    return params


def name(path):
    return jax.tree_util.keystr(path, simple=True, separator=".")


if __name__ == "__main__":
    import time
    t = time.time()
    N_UPDATES = 3000
    p = trained(untrained)
    print("trained", time.time()-t)
    test = pieces(np.random.default_rng(1), 200, TEXT[N_SEEN:])
    E = lambda p: (jax.vmap(losses,(None,0))(p, test).mean(), jax.vmap(loss,(None,0))(p, test).mean())
    print(E(untrained), E(p))
    flat = jax.tree_util.tree_leaves_with_path(p)
    save_file({name(k): np.float16(v) for k, v in flat}, FOLDER/"characters.safetensors")
    saved = load_file(FOLDER/"characters.safetensors")
    q = jax.tree_util.tree_map_with_path(lambda k, a: saved[name(k)].astype(a.dtype), untrained)
    print(E(q), {k: v.shape for k, v in saved.items()})
