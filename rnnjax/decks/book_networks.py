"""What networks that were trained on the children's book read and write, and their gates."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from rnnjax import scan
from rnnjax.decks.tasks.childrens_book import ChildrensBook
from rnnjax.generate import generate
from rnnjax.types import Array, Cell, Params


def read_and_written(
    cell: Cell, params: Params, chances: Array, rarest: Array | float, n_sentences: int = 4
) -> dict[str, Array]:
    """Measure how well a network knows the book, and let it write.

    Args:
      cell: reads words, one-hot, and answers with logits of the next one.
      params: its parameters.
      chances: by which each word is chosen, in [0, 1), (n_words,).
      rarest: words of a smaller probability are not written.
      n_sentences: of the texts that it reads, which are all there are.

    Returns:
      ``book_loss``: cross-entropy over all texts, nat a word, (); ``sees_itself``: mean probability
      of X behind "X saw", (); ``text``: numbers of the words that it writes, (n_words,).
    """
    task = ChildrensBook(n_sentences=n_sentences)
    texts, stop = task.every_text(), task.n_x - 1
    y = jax.vmap(lambda x: scan.outputs(cell, params, x))(texts.x)
    # The inputs are a full stop, X, "saw", a name, and so on.
    X, after_verb = texts.x[:, 1::4], jax.nn.softmax(y[:, 2::4])
    return {
        "book_loss": jax.vmap(jax.vmap(task.loss))(y, texts.y).mean(),
        "sees_itself": jnp.sum(X * after_verb, -1).mean(),
        "text": generate(cell, params, stop, chances, rarest),
    }


def gates_along(cell: Cell, params: Params, text: Array, names: Sequence[str]) -> Array:
    """Measure gates of a network as it reads a text.

    Args:
      cell: an LSTM or another cell with `gates`.
      params: its parameters.
      text: numbers of words, (n,).
      names: of the gates.

    Returns:
      (n, n_gates, n_units).
    """
    x = jax.nn.one_hot(text, cell.n_x)  # type: ignore[attr-defined]
    h = scan.unroll(cell, params, x).h_prev
    gates = jax.vmap(lambda h, x: cell.gates(params, h, x))(h, x)  # type: ignore[attr-defined]
    return jnp.stack([gates[name] for name in names], 1)
