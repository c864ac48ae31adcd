"""Claims: the numbers that a cube stands for, as rows of a table. Imports no JAX.

`Row` and `Group` declare claims, `every_run` one on the worst run; `evaluate` makes `Claim`s of
them for a cube; `claims_table` and `write_claims` show and keep them; `papers` lists those that
reproduce something published.

What needs NumPy is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rnnjax.claims.claim import Claim
from rnnjax.claims.record import claims_to_json, write_claims
from rnnjax.claims.table import claims_table

if TYPE_CHECKING:
    from rnnjax.claims.rows import ClaimError as ClaimError
    from rnnjax.claims.rows import Group as Group
    from rnnjax.claims.rows import Row as Row
    from rnnjax.claims.rows import evaluate as evaluate
    from rnnjax.claims.runs import every_run as every_run
    from rnnjax.claims.scope import Scope as Scope
    from rnnjax.claims.scope import swept as swept

_LOADED_LATER = {
    "ClaimError": "rows",
    "Group": "rows",
    "Row": "rows",
    "Scope": "scope",
    "evaluate": "rows",
    "every_run": "runs",
    "swept": "scope",
}

__all__ = ["Claim", "claims_table", "claims_to_json", "write_claims", *_LOADED_LATER]


def __getattr__(name: str) -> Any:
    if name in _LOADED_LATER:
        return getattr(import_module(f"rnnjax.claims.{_LOADED_LATER[name]}"), name)
    raise AttributeError(f"module 'rnnjax.claims' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
