"""Finding an experiment by name or path, and loading what its file declares.

An experiment is one file with ``Axes``, ``Config`` and six functions:

    coordinates(config) -> dict of arrays     the inner dimensions, without jax
    variables(config) -> dict of Variable     what is measured
    draw(config, **lane axes) -> pytree       the random draws of one lane; it may name static axes
    measure(config, drawn, **static axes)     the variables of one lane
    figure(cube) -> matplotlib Figure
    claims(cube) -> list of Claim             or, in its place, a table ``CLAIMS`` of rows

A file may also say ``PRECISION = "float64"``, where its claims are about the last digits, and
``COMPILE = "quickly"``, where compiling takes longer than running: with less of LLVM's optimisation
a program of many small parts compiles in a quarter of the time.

Modules of the user's own may lie beside the file. They and the file are read once, when the
experiment is loaded: what is computed then is what the fingerprints of its code stand for.
"""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rnnjax import catalog
from rnnjax.claims import Claim
from rnnjax.errors import ConfigError, one_of, shown
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.fingerprint import Code, code_of
from rnnjax.sweep.own_modules import imported
from rnnjax.sweep.sources import read_sources
from rnnjax.sweep.spec import Axes, Config, axis_kind

if TYPE_CHECKING:
    import xarray as xr

PRECISIONS = ("float32", "float64")
COMPILES = ("well", "quickly")
FUNCTIONS = ("coordinates", "variables", "draw", "measure", "figure", "claims")


@dataclass(frozen=True)
class Experiment:
    """An experiment that was loaded.

    Args:
        name: the name, or the path as the user gave it.
        path: its file.
        code: the fingerprints of the code that was loaded.
        config: its Config class.
        coordinates, variables, draw, measure, figure, claims: its functions.
        precision: of its sweeps unless the user asks for float64, "float32" or "float64".
        compile: how its programs are compiled, "well" or "quickly".
        draw_axes: the static axes that `draw` names; empty where all groups share one draw.
    """

    name: str
    path: Path
    code: Code
    config: type[Config]
    coordinates: Callable[..., Any]
    variables: Callable[..., Any]
    draw: Callable[..., Any]
    measure: Callable[..., Any]
    figure: Callable[..., Any]
    claims: Callable[..., Any]
    draw_axes: tuple[str, ...]
    precision: str = "float32"
    compile: str = "well"

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
        told = f"expected a name that `rnnjax list` shows, or a file that ends in .py, got {name!r}"
        raise ConfigError("experiment", told)
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
    given = name
    if path is None:
        path = find(name)
        given = name if name in catalog.experiment_files() else str(path)
    code, module = _imported(path)
    if hasattr(module, "claims") and hasattr(module, "CLAIMS"):
        raise ConfigError("experiment", f"expected claims or CLAIMS in {path}, got both")
    missing = [part for part in ("Axes", "Config", *FUNCTIONS) if not hasattr(module, part)]
    if missing := [part for part in missing if part != "claims" or not hasattr(module, "CLAIMS")]:
        raise ConfigError("experiment", f"expected {path} to define {', '.join(missing)}")
    axes, config = module.Axes, module.Config
    for found, base in ((axes, Axes), (config, Config)):
        if not (isinstance(found, type) and issubclass(found, base)):
            told = f"expected {base.__name__} in {path} to be a subclass of rnnjax's"
            raise ConfigError("experiment", told)
    if config.model_fields["axes"].annotation is not axes:
        raise ConfigError("experiment", f"expected the axes of Config in {path} to be its Axes")
    precision = _option(module, "PRECISION", PRECISIONS)
    compiling = _option(module, "COMPILE", COMPILES)
    functions = {part: getattr(module, part) for part in FUNCTIONS if part != "claims"}
    functions["claims"] = _claims(module)
    draw_axes = _checked(path, axes, functions)
    return Experiment(
        given,
        path,
        code,
        config,
        **functions,
        draw_axes=draw_axes,
        precision=precision,
        compile=compiling,
    )


def _claims(module: ModuleType) -> Callable[[xr.Dataset], list[Claim]]:
    """What a file claims of a cube: by its table, or by its function."""
    if hasattr(module, "CLAIMS"):
        from rnnjax.claims import evaluate

        return partial(evaluate, module.CLAIMS)
    published: Mapping[str, str] = getattr(module, "REPRODUCES", {})

    def claims(cube: xr.Dataset) -> list[Claim]:
        return [_reproducing(claim, published) for claim in module.claims(cube)]

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
        told = f"{type(error).__name__}: {error}"
        raise ConfigError("experiment", f"{path}{line_in(path, error)}: {told}") from error


def line_in(path: Path, error: BaseException) -> str:
    """Where in the file `path` an error arose, as in `` line 12``; empty if it was elsewhere."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if Path(f.filename).resolve() == path.resolve()]
    return f" line {lines[-1]}" if lines else ""


def _checked(path: Path, axes: type[Axes], functions: dict[str, Any]) -> tuple[str, ...]:
    kinds = {name: axis_kind(axes, name) for name in axes.model_fields}
    static = [name for name, kind in kinds.items() if kind == "static"]
    lanes = [name for name, kind in kinds.items() if kind == "lane"]
    named = tuple(n for n in inspect.signature(functions["draw"]).parameters if n in static)
    _bind(path, functions["draw"], ("config",), (*lanes, *named))
    _bind(path, functions["measure"], ("config", "drawn"), static)
    return named


def _bind(
    path: Path, function: Callable[..., Any], given: tuple[str, ...], axes: Iterable[str]
) -> None:
    try:
        inspect.signature(function).bind(*given, **dict.fromkeys(axes))
    except TypeError as error:
        raise ConfigError("experiment", f"{function.__name__}() in {path}: {error}") from None
