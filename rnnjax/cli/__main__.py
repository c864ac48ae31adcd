"""The process of the `rnnjax` command, also ``python -m rnnjax.cli``."""

import atexit
import os
import sys

from rnnjax.cli import main


def process() -> None:
    """Run one command and end the process."""
    ended: list[int] = []
    # What is registered first is called last.
    atexit.register(_leave, ended)
    ended.append(main())
    sys.exit(ended[0])


def _leave(ended: list[int]) -> None:
    """End the process here, once all else is done: taking jax apart takes half a second more."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        os._exit(1)  # the reader of our output has gone: there is nobody to tell
    except OSError:
        return  # the interpreter says what is wrong
    if ended:
        os._exit(ended[0])


if __name__ == "__main__":
    process()
