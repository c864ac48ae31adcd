"""A scheduler or workers that end with the process that started them.

    python -m rnnjax.cluster.process scheduler|worker ARGUMENTS OF DASK

Standard input is a pipe from the parent: when the parent dies, however it dies, the pipe ends.
"""

import os
import sys
import threading

from rnnjax.lazy import dask_scheduler, dask_worker


def main() -> None:
    """Run dask's command of this name."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    kind, *arguments = sys.argv[1:]
    command = dask_scheduler if kind == "scheduler" else dask_worker
    command.main(arguments)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
