"""The versions that a report of a fault should name."""

import platform
from importlib import metadata

import rnnjax


def text() -> str:
    """The versions of rnnjax, jax and Python, in one line."""
    python = platform.python_version()
    return f"rnnjax {rnnjax.__version__}, jax {metadata.version('jax')}, Python {python}"
