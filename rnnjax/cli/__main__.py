"""The process of the `rnnjax` command, also ``python -m rnnjax.cli``."""

import atexit
import logging
import os
import signal
import sys
from types import FrameType

from rnnjax.cli import main, streams

# Windows has no SIGHUP.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def process() -> None:
    """Run one command and end the process."""
    streams.prepare()
    # Figures go to files, whatever backend is meant for the user's own notebooks and windows.
    os.environ["MPLBACKEND"] = "agg"
    # Figures set a matplotlibrc aside, so that matplotlib's warnings about it concern nobody.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    _take_signals()
    ended: list[int] = []
    # What is registered first is called last.
    atexit.register(_leave, ended)
    ended.append(_status())
    sys.exit(ended[0])


def _status() -> int:
    """Run the command; its exit status, or 4 where its output could not be written."""
    try:
        status = main()
    except SystemExit as exit_:  # argparse, after --help or an error of usage
        status = exit_.code if isinstance(exit_.code, int) else 0
    except KeyboardInterrupt:  # a second one, while the first was being reported
        return 130
    if lost := streams.lost_output():
        print(f"rnnjax: {lost}", file=sys.stderr)
        return status or 4
    return status


def _take_signals() -> None:
    """Have SIGTERM, and SIGHUP unless nohup has it ignored, end a command as Ctrl-C does."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _leave(ended: list[int]) -> None:
    """End the process here, once all else is done: taking jax apart takes half a second more."""
    sys.stdout.flush()
    sys.stderr.flush()
    if ended:
        os._exit(ended[0])


if __name__ == "__main__":
    process()
