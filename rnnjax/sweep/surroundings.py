"""What a sweep takes from the environment, what it sets itself, and what prevents its start.

The bits of a cube depend only on the config, the code and the machine's instruction set. Options of
jax that change the numbers, or that turn a cell without a finite number into an error, are
therefore set by the sweep regardless of environment variables, and a one-line message reports this.
All other settings of the user are left unchanged.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnjax.errors import SetupError, one_line, shown

_MAX_DEVICES = 256  # as for --devices

FIXED: Mapping[str, Any] = {
    # These change the random draws.
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_random_seed_offset": 0,
    # These change rounding. Accelerators would round factors of float32 products to 11 bits (TF32).
    "jax_default_matmul_precision": "highest",
    "jax_disable_most_optimizations": False,
    # These make a group fail if a cell has no finite number, which its status would record.
    "jax_debug_nans": False,
    "jax_debug_infs": False,
    # These make whole groups fail.
    "jax_disable_jit": False,
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
    "jax_transfer_guard": "allow",
}
"""The options of jax that a sweep sets where the environment sets them, and their values."""

# Makes XLA parse XLA_FLAGS; XLA ends the process if it cannot.
_PARSING = """
try:
    from jaxlib import xla_client
    xla_client.CompileOptions().executable_build_options.debug_options
except (ImportError, AttributeError):
    pass
"""


def set_aside(option: str, there: Any, value: Any) -> str | None:
    """The message about a variable that a sweep overrides; None if it is unset or agrees.

    Args:
        option: an option of jax, as in ``jax_enable_x64``.
        there: the value that jax has read.
        value: the value that the sweep computes with.
    """
    name = option.upper()
    if name not in os.environ or there == value:
        return None
    if option == "jax_enable_x64":
        computes = "float64" if value else "float32"
        how = "" if value else " (--x64 for float64)"
        return f"{name} is set, and the sweep computes in {computes} all the same{how}"
    return f"{name} is set, and the sweep computes with {option}={value!r} all the same"


def xla_flags() -> str:
    """The flags in XLA_FLAGS, or in the file that it names.

    Raises:
        SetupError: it names a file that cannot be read.
    """
    given = os.environ.get("XLA_FLAGS", "").strip()
    if not given or given.startswith("-"):
        return given
    try:
        return " ".join(Path(given).read_text(encoding="utf-8").split())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = (
            f"expected flags that begin with --, or a file of them, got {shown(given)}: {reason}"
        )
        raise SetupError("XLA_FLAGS", message) from None


def check_xla_flags() -> None:
    """Test XLA_FLAGS in a separate process, since XLA ends the process at an unknown flag.

    Raises:
        SetupError: XLA rejects the flags; the message contains its reason.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PARSING], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    lines = done.stderr.decode(errors="replace").splitlines()
    if done.returncode and lines:
        reason = one_line(lines[0].rpartition("] ")[2], 200)
        raise SetupError("XLA_FLAGS", f"expected flags that this jaxlib knows: {reason}")


def devices_asked() -> int | None:
    """The number of devices that JAX_NUM_CPU_DEVICES requests; None if it requests none.

    Raises:
        SetupError: it is not a number from 1 to 256.
    """
    text = os.environ.get("JAX_NUM_CPU_DEVICES", "").strip()
    if text in ("", "-1"):  # jax's own default
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MAX_DEVICES):
        message = f"expected a whole number from 1 to {_MAX_DEVICES}, got {shown(text)}"
        raise SetupError("JAX_NUM_CPU_DEVICES", message)
    return int(text[:9])


def not_started(error: BaseException) -> SetupError:
    """The error to raise if jax cannot be imported or finds no device."""
    reason = one_line(str(error) or "no device was found", 200)
    named = [name for name in os.environ if name.startswith("JAX_") and name in str(error).upper()]
    if not named and os.environ.get("JAX_PLATFORMS"):
        named = ["JAX_PLATFORMS"]
    if named:
        message = (
            f"expected a value that jax takes here, got {shown(os.environ[named[0]])}: {reason}"
        )
        return SetupError(named[0], message)
    return SetupError("jax", f"expected it to start, got {type(error).__name__}: {reason}")
