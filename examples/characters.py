"""How far back does a network look that predicts the next character?

    python examples/characters.py [PAGE]

Two layers of LSTM in nnx, trained by `train_characters.py` on the help of Python. The loss is that
of the last character, so that the gradient at lag k is what the state k steps ago does to one
prediction; with a loss at every step it would be a sum over k + 1 of them.
"""

import sys
from functools import partial
from pathlib import Path
from pydoc_data.topics import topics

import jax
import numpy as np
import optax
from flax import nnx
from safetensors.numpy import load_file

import rnnjax

T, N_SEEN, N_EXAMPLES = 100, 400_000, 16
FOLDER = Path(__file__).parent
TEXT = np.frombuffer("".join(topics.values()).encode("ascii", "replace"), np.uint8)


class Characters(nnx.Module):
    def __init__(self, rngs, n=64):
        self.embedding = nnx.Embed(128, 16, rngs=rngs)
        self.lower = nnx.RNN(nnx.OptimizedLSTMCell(16, n, rngs=rngs), rngs=rngs)
        self.upper = nnx.RNN(nnx.OptimizedLSTMCell(n, n, rngs=rngs), rngs=rngs)
        self.head = nnx.Linear(n, 128, rngs=rngs)

    def __call__(self, text):
        return self.head(self.upper(self.lower(self.embedding(text))))


graph, untrained, rest = nnx.split(Characters(nnx.Rngs(0)), nnx.Param, ...)
file = load_file(FOLDER / "characters.safetensors")
name = partial(jax.tree_util.keystr, simple=True, separator=".")
trained = jax.tree.map_with_path(lambda path, _: np.float32(file[name(path)]), untrained)


def losses(params, text):
    logits = nnx.merge(graph, params, rest, copy=True)(text[:-1])
    return optax.softmax_cross_entropy_with_integer_labels(logits, text[1:].astype(int))


def diagnose(params, title):
    starts = np.random.default_rng(1).integers(N_SEEN, len(TEXT) - T, size=N_EXAMPLES)
    pieces = np.stack([TEXT[i : i + T + 1] for i in starts])
    return rnnjax.diagnose(lambda *at: losses(*at)[-1], params, pieces, title=title, n_closer=2)


if __name__ == "__main__":
    report = diagnose(trained, "The next character, after training")
    print(report)
    report.to_html(*sys.argv[1:] or [FOLDER / "pages" / "characters.html"])
