"""A children's book of three sentences: which word comes next?

"Doug saw Jane." "Jane saw Spot." "Spot saw Doug." follow each other at random. Who saw whom depends
on two words, not on one; what is lost by seeing only one is counted in `rnnjax.decks.sentences`.
After Brandon Rohrer, How recurrent neural networks and long short-term memory work, e2eml.school,
2017.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import fields
from rnnjax.decks.theory.sentences import LENGTH, SENTENCES, STOP, WORDS
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array, Batch

_INDICES = np.array([[WORDS.index(word) for word in sentence] for sentence in SENTENCES])


@fields.dataclass
class ChildrensBook:
    """The next word of the book; n_x = n_y = 5, one-hot in the order of `WORDS`.

    A sequence begins after a full stop.

    Attributes:
      n_sentences: sentences of a sequence; T is four times that.
    """

    n_sentences: int = fields.count(default=3)
    n_x = len(WORDS)
    n_y = len(WORDS)

    @property
    def length(self) -> int:
        """T."""
        return LENGTH * self.n_sentences

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw the sentences, independent and equally likely."""
        return self.text(jax.random.randint(key, (self.n_sentences,), 0, len(SENTENCES)))

    def text(self, sentences: Array) -> Batch:
        """Return the text of these sentences.

        Args:
          sentences: indices of `SENTENCES`, int (n_sentences,).
        """
        words = jnp.asarray(_INDICES)[sentences].reshape(-1)
        before = jnp.concatenate([jnp.array([WORDS.index(STOP)]), words[:-1]])
        mask = jnp.full(self.length, 1 / self.length)
        return Batch(jax.nn.one_hot(before, len(WORDS)), jax.nn.one_hot(words, len(WORDS)), mask)

    def every_text(self) -> Batch:
        """Return every text of this many sentences once; the mean over them is the expectation.

        Returns:
          leaves (3^n_sentences, T, ...).
        """
        choices = itertools.product(range(len(SENTENCES)), repeat=self.n_sentences)
        return jax.vmap(self.text)(jnp.array(list(choices)))

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
