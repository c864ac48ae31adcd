"""Where the files of an installed package are, found without importing it."""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class Package(NamedTuple):
    """A package that brings files.

    Attributes:
      module: the name that one would import.
      distribution: the name under which it is installed.
      extra: the extra of rnnjax that installs it; None if there is none.
      alone: whether its files are enough, without the packages that it needs to be imported.
    """

    module: str
    distribution: str
    extra: str | None = None
    alone: bool = False

    def file(self, wanted: str, *parts: str) -> Path:
        """Return the path of one of its files.

        Args:
          wanted: what is read, with which the error begins.
          *parts: the path of the file within the package.

        Raises:
          ModuleNotFoundError: the package is not installed.
          FileNotFoundError: the installed release does not bring the file.
        """
        found = find_spec(self.module)
        folders = found.submodule_search_locations if found is not None else None
        if not folders:
            raise ModuleNotFoundError(
                f"{wanted}: expected {self._told()}, which is not installed: {self._install()}"
            )
        path = Path(folders[0], *parts)
        if not path.is_file():
            raise FileNotFoundError(
                f"{wanted}: expected {'/'.join(parts)} among the files of {self.distribution}, "
                f"got none: pip install --force-reinstall --no-deps {self.distribution}"
            )
        return path

    def _told(self) -> str:
        if self.extra is None:
            return self.distribution
        return f"the extra {self.extra!r} ({self.distribution})"

    def _install(self) -> str:
        if self.extra is not None:
            return f"pip install 'rnnjax[{self.extra}]'"
        return f"pip install {'--no-deps ' if self.alone else ''}{self.distribution}"
