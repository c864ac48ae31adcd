"""How many lanes to compute together, from the memory that a device may work with.

What a chunk takes is asked of the compiler: draws, results and scratch memory of the programs that
measure it. Nothing is run. The chunk becomes a key of the config like any other: what fixes the
bits is known when the sweep is resumed, and does not depend on the machine that resumes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from rnnjax.errors import ConfigError
from rnnjax.lazy import jax
from rnnjax.sweep.options import fixed_options
from rnnjax.sweep.plan import Group, make_plan
from rnnjax.sweep.programs import Programs
from rnnjax.sweep.request import Request

_MOST = 65536  # lanes, the most that a config takes
_FIRST, _N_TRIES, _FILLED = 8, 8, 0.9


def largest_chunk(request: Request, budget: float, devices: Sequence[jax.Device]) -> int:
    """Lanes that fill `budget` bytes a device to nine tenths or more, if there are so many.

    Args:
        request: the sweep, in chunks of any size.
        budget: bytes.
        devices: the devices that the lanes are spread over.

    Raises:
        ConfigError: not even one lane fits.
    """
    # No more than leave every device something to do.
    chunk = min(_MOST, -(-request.plan.n_lanes // len(devices)))
    for group in {tuple(group.static.items()): group for group in request.plan.groups}.values():
        needs = partial(needed, request, group, devices)
        chunk = _fitting(needs, budget, chunk)
    return chunk


def needed(request: Request, group: Group, devices: Sequence[jax.Device], lanes: int) -> int:
    """Bytes of a device while it measures one chunk of so many lanes, with one to be collected."""
    config = replace(request.config, chunk=lanes)
    plan = make_plan(request.experiment, config, request.precision)
    programs = Programs(request.experiment, plan, devices, request.precision)
    with fixed_options(request.precision):
        analysis = programs.memory_of(group)
    return (
        analysis.argument_size_in_bytes
        + 2 * analysis.output_size_in_bytes
        + analysis.temp_size_in_bytes
    )


def _fitting(needs: Callable[[int], int], budget: float, most: int) -> int:
    """The most lanes up to `most` that were seen to need no more than `budget`."""
    seen: dict[int, int] = {}
    lanes = min(_FIRST, most)
    while lanes not in seen and len(seen) < _N_TRIES:
        seen[lanes] = needs(lanes)
        if _FILLED * budget <= seen[lanes] <= budget:
            break
        # Nearly in proportion to the lanes; a little less, so as not to come out above.
        lanes = min(max(int(0.97 * lanes * budget / seen[lanes]), 1), most)
    fits = [n for n, size in seen.items() if size <= budget]
    if not fits:
        message = f"expected at least {seen[min(seen)]} bytes, which {min(seen)} lane(s) take"
        raise ConfigError("memory", f"{message}, got {budget:.0f}")
    return max(fits)
