"""Networks trained in PyTorch or Keras, from their weights alone: neither is imported."""

from rnnjax.importers.keras_weights import from_keras
from rnnjax.importers.torch_weights import from_torch

__all__ = ["from_keras", "from_torch"]
