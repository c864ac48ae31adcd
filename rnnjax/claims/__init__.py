"""Claims: the numbers that a cube stands for, as rows of a table. Imports no JAX.

`Row` and `Group` declare claims, `every_run` one on the worst run, `median_run` one on the median
of the runs; `evaluate` makes `Claim`s of them for a cube; `claims_table` and `write_claims` show
and keep them; `papers` lists those that reproduce something published.

What needs NumPy is loaded when it is first used.
"""

from typing import TYPE_CHECKING

from rnnjax import lazy

if TYPE_CHECKING:
    from rnnjax.claims.claim import Claim
    from rnnjax.claims.record import claims_to_json, write_claims
    from rnnjax.claims.rows import ClaimError, Group, Row, evaluate
    from rnnjax.claims.runs import every_run, median_run
    from rnnjax.claims.scope import Scope, set_to, swept
    from rnnjax.claims.table import claims_table
else:
    __getattr__, __dir__ = lazy.package(__name__)

__all__ = [
    "Claim",
    "ClaimError",
    "Group",
    "Row",
    "Scope",
    "claims_table",
    "claims_to_json",
    "evaluate",
    "every_run",
    "median_run",
    "set_to",
    "swept",
    "write_claims",
]
