"""What does training change in a network that predicts the next character?

    python examples/train_characters.py

writes `characters.safetensors`, the weights, and `pages/train_characters.html`, the network of
`characters.py` before and after training. It takes about 4 minutes on two cores.
"""

import jax
import numpy as np
import optax
from characters import FOLDER, N_SEEN, TEXT, T, diagnose, losses, name, untrained
from safetensors.numpy import save_file

N_UPDATES, BATCH_SIZE = 3000, 32
optimiser = optax.adam(optax.cosine_decay_schedule(5e-3, N_UPDATES))


@jax.jit
def update(params, state, texts):
    grads = jax.grad(lambda p: jax.vmap(losses, (None, 0))(p, texts).mean())(params)
    updates, state = optimiser.update(grads, state)
    return optax.apply_updates(params, updates), state


def train(params, rng):
    state = optimiser.init(params)
    for _ in range(N_UPDATES):
        starts = rng.integers(N_SEEN - T, size=BATCH_SIZE)
        params, state = update(params, state, np.stack([TEXT[i : i + T + 1] for i in starts]))
    return params


if __name__ == "__main__":
    trained = jax.tree.map(np.float16, train(untrained, np.random.default_rng(0)))
    file = {name(path): weights for path, weights in jax.tree.leaves_with_path(trained)}
    save_file(file, FOLDER / "characters.safetensors")
    before = diagnose(untrained, "Before training")
    after = diagnose(jax.tree.map(np.float32, trained), "After training")
    print(before.compare(after))
    before.compare(after).to_html(FOLDER / "pages" / "train_characters.html")
