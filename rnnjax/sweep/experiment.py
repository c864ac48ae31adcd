"""Finding an experiment by name or path, and loading what its file declares.

An experiment is one file with a class ``Setting`` (see `rnnjax.sweep.setting`) and functions, of
which `measure` alone is needed:

    measure(setting, shared) -> dict          the variables of one cell; jax traces it
    shared(setting) -> pytree                 what is computed once for all cells that agree in the
                                              values it reads of the setting
    coordinates(setting) -> dict of arrays    the inner dimensions, without jax
    variables(setting) -> dict of Variable    what is measured; found by tracing if missing
    figure(cube) -> matplotlib Figure
    answer(cube) -> str                       what the figure shows, with the numbers of the cube;
                                              its first sentence becomes the title
    claims(cube) -> list of Claim             or, in its place, a table ``CLAIMS`` of rows

Without `shared`, `measure` takes the setting alone. `shared` is for random draws, data and trained
networks: it is a program of its own, whose results all cells with the same values share.
`coordinates` and `variables` get what all settings of the sweep have in common.

A file may also say ``PRECISION = "float64"``, where its claims are about the last digits, and
``COMPILE = "quickly"``, where compiling takes longer than running although there is much to compute
(else see `rnnjax.compiling`): with less of LLVM's optimisation a program of many small parts
compiles in a quarter of the time.

Modules of the user's own may lie beside the file. They and the file are read once, when the
experiment is loaded: what is computed then is what the fingerprints of its code stand for.
"""

from __future__ import annotations

import inspect
import os
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from rnnjax import catalog
from rnnjax import claims as tables
from rnnjax.claims import Claim
from rnnjax.cube_setting import register
from rnnjax.errors import ConfigError, one_of, shown
from rnnjax.lazy import xr
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.fingerprint import Code, code_of
from rnnjax.sweep.own_modules import imported
from rnnjax.sweep.same_code import UNKNOWN
from rnnjax.sweep.setting import Setting
from rnnjax.sweep.sources import read_sources

PRECISIONS = ("float32", "float64")
COMPILES = ("well", "quickly")
UNKNOWN_CODE = Code(UNKNOWN, UNKNOWN, {})
FUNCTIONS = ("measure", "shared", "coordinates", "variables", "figure", "answer", "claims")


@dataclass(frozen=True)
class Experiment:
    """An experiment that was loaded, or made of a function.

    Args:
        name: the name, or the path as the user gave it.
        setting: its class of settings.
        measure: (setting, shared) or, without `shared`, (setting) -> variables of one cell.
        shared: setting -> what cells share; None if they share nothing.
        coordinates, variables: its declarations; None if they are found by tracing `measure`.
        figure, answer, claims: what is shown of a cube; None if it has none.
        path: its file; for a function the file that defines it.
        code: the fingerprints of the code that was loaded; unknown for a function.
        precision: of its sweeps unless the user asks for float64, "float32" or "float64".
        compile: how its programs are compiled, "well" or "quickly".
    """

    name: str
    setting: type[Setting]
    measure: Callable[..., Any]
    shared: Callable[[Any], Any] | None = None
    coordinates: Callable[[Any], Any] | None = None
    variables: Callable[[Any], Any] | None = None
    figure: Callable[[Any], Any] | None = None
    answer: Callable[[Any], str] | None = None
    claims: Callable[[Any], Any] | None = None
    path: Path = Path()
    code: Code = UNKNOWN_CODE
    precision: str = "float32"
    compile: str = "well"

    def measured(self, setting: Any, shared: Any) -> Any:
        """The variables of one cell."""
        return self.measure(setting) if self.shared is None else self.measure(setting, shared)

    def answered(self, cube: xr.Dataset) -> str:
        """What the figure of a cube shows; empty if a number of it is not known."""
        text = "" if self.answer is None else self.answer(cube)
        return "" if re.search(r"\bnan\b", text) else text

    def toml(self, variant: str = "") -> Path:
        """Where the config beside the experiment lies: the standard one, quick or paper."""
        return self.path.with_suffix(f".{variant}.toml" if variant else ".toml")


def find(name: str) -> Path:
    """The file of the experiment `name`, a name or a path.

    Raises:
        ConfigError: when there is none, naming the choices.
    """
    files = catalog.experiment_files()
    if name in files:
        return files[name]
    if "/" in name or name.endswith(".py"):
        return _python_file(name)
    if "." in name or os.path.lexists(name):
        message = (
            f"expected a name that `rnnjax list` shows, or a file that ends in .py, got {name!r}"
        )
        raise ConfigError("experiment", message)
    raise ConfigError("experiment", one_of(name, files))


def _python_file(name: str) -> Path:
    path = Path(name)
    if "\0" in name or not os.path.isfile(path):
        raise ConfigError("experiment", f"expected a file that exists, got {shown(name, 200)}")
    if path.suffix != ".py":
        raise ConfigError("experiment", f"expected a file that ends in .py, got {name!r}")
    return path


def load(name: str, path: Path | None = None) -> Experiment:
    """Import the experiment `name` and check that it declares what an experiment must.

    Args:
        name: a name or a path.
        path: its file, where it is known that the name does not lead there from here.

    Raises:
        ConfigError: when there is none, it cannot be imported, or something is missing.
    """
    register()
    given = name
    if path is None:
        path = find(name)
        given = name if name in catalog.experiment_files() else str(path)
    code, module = _imported(path)
    if hasattr(module, "claims") and hasattr(module, "CLAIMS"):
        raise ConfigError("experiment", f"expected claims or CLAIMS in {path}, got both")
    missing = [part for part in ("Setting", "measure") if not hasattr(module, part)]
    if missing:
        raise ConfigError("experiment", f"expected {path} to define {', '.join(missing)}")
    if not (isinstance(module.Setting, type) and issubclass(module.Setting, Setting)):
        message = f"expected Setting in {path} to be a subclass of rnnjax.sweep.Setting"
        raise ConfigError("experiment", message)
    functions: dict[str, Any] = {part: getattr(module, part, None) for part in FUNCTIONS}
    _check_signatures(path, functions)
    functions["claims"] = _claims(module)
    return Experiment(
        given,
        module.Setting,
        **functions,
        path=path,
        code=code,
        precision=_option(module, "PRECISION", PRECISIONS),
        compile=_option(module, "COMPILE", COMPILES),
    )


def _claims(module: ModuleType) -> Callable[[xr.Dataset], list[Claim]] | None:
    """What a file claims of a cube: by its table, or by its function; None if it claims nothing."""
    if hasattr(module, "CLAIMS"):
        return partial(tables.evaluate, module.CLAIMS)
    if not hasattr(module, "claims"):
        return None
    published: Mapping[str, str] = getattr(module, "REPRODUCES", {})

    def claims(cube: xr.Dataset) -> list[Claim]:
        found = tables.evaluate([module.claims], cube)
        return [_reproducing(claim, published) for claim in found]

    return claims


def _reproducing(claim: Claim, published: Mapping[str, str]) -> Claim:
    """A claim with the published figure that ``REPRODUCES`` names for the start of its name."""
    papers = [paper for start, paper in published.items() if claim.name.startswith(start)]
    return replace(claim, reproduces=papers[0]) if papers else claim


def _option(module: ModuleType, name: str, choices: tuple[str, ...]) -> str:
    """What a file says of an option, by default its first choice."""
    value = getattr(module, name, choices[0])
    if value not in choices:
        raise ConfigError("experiment", f"{name} in {module.__file__}: {one_of(value, choices)}")
    return str(value)


def _imported(path: Path) -> tuple[Code, Any]:
    """The fingerprints of a file, and the module that executing the very same text gives."""
    if path.suffix != ".py":
        raise ConfigError("experiment", f"expected a file that ends in .py, got {str(path)!r}")
    try:
        sources = read_sources(path)
        code = code_of(sources)
        return code, imported(sources, f"rnnjax_experiment_{path.stem}")
    except StoreError as error:
        raise ConfigError("experiment", f"expected a file that can be read, {error}") from error
    except (Exception, SystemExit) as error:
        message = f"{type(error).__name__}: {error}"
        raise ConfigError("experiment", f"{path}{line_in(path, error)}: {message}") from error


def line_in(path: Path, error: BaseException) -> str:
    """Where in the file `path` an error arose, as in `` line 12``; empty if it was elsewhere."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if Path(f.filename).resolve() == path.resolve()]
    return f" line {lines[-1]}" if lines else ""


def _check_signatures(path: Path, functions: Mapping[str, Any]) -> None:
    """Raise ConfigError for a function that does not take its arguments."""
    both = ("setting",) if functions["shared"] is None else ("setting", "shared")
    arguments = {"measure": both, **dict.fromkeys(("figure", "answer", "claims"), ("cube",))}
    for name, function in functions.items():
        if function is None:
            continue
        try:
            inspect.signature(function).bind(*arguments.get(name, ("setting",)))
        except TypeError as error:
            message = f"{name}({', '.join(arguments.get(name, ('setting',)))}) in {path}: {error}"
            raise ConfigError("experiment", message) from None
