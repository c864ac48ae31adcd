"""Networks that are trained on the children's book: what they read and write, and their gates."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from rnnjax import scan
from rnnjax.cells import GRU, LSTM, Vanilla
from rnnjax.decks import full_batch
from rnnjax.decks.tasks.childrens_book import ChildrensBook
from rnnjax.generate import generate
from rnnjax.types import Array, Cell, Params


def cells(n_units: int) -> tuple[Vanilla, GRU, LSTM]:
    """Construct three cells that read and write words."""
    n_words = ChildrensBook.n_x
    sizes = n_words, n_units, n_words
    return Vanilla(*sizes), GRU(*sizes), LSTM(*sizes)


def trained(
    cell: Cell,
    params: Params,
    optimiser: optax.GradientTransformation,
    n_updates: int,
    memory: Array | float = 1.0,
) -> Params:
    """Return the parameters after training on all texts of three sentences.

    Args:
      cell: reads words, one-hot, and answers with logits of the next one.
      params: the start.
      optimiser: any optax optimiser that needs the gradient alone.
      n_updates: updates.
      memory: multiplies the recurrent weights W, while training and afterwards; a network without
        them sees one word.
    """
    task = ChildrensBook(n_sentences=3)

    def limited(params: Params) -> Params:
        return params._replace(W=memory * params.W)

    texts = task.every_text()
    return full_batch.trained(cell, task, params, texts, optimiser, n_updates, limited)


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
