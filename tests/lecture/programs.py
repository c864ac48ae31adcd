"""The programs of the lecture, loaded from their files."""

import importlib.util
from functools import cache
from pathlib import Path

import rnnjax

LECTURE = Path(rnnjax.__file__).parent.parent / "docs" / "lecture"


@cache
def program(path):
    """Return the program as a module; what stands below `__main__` is not run."""
    spec = importlib.util.spec_from_file_location(f"lecture_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
