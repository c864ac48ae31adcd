"""The commands plan, run, resume and merge."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Thread

from rnnjax.cli import planning
from rnnjax.cli.code import (
    discard_other,
    experiment_in,
    is_current,
    is_of_sweep,
    remember_place,
    tell_mixed,
    tell_mixture,
    tell_reuse,
)
from rnnjax.cli.config import Override, requested
from rnnjax.cli.interrupt import Interrupts
from rnnjax.cli.keys import keys_help
from rnnjax.cli.results import present
from rnnjax.cli.states import result, tell_failures
from rnnjax.cluster.client import check, connected, run_on
from rnnjax.cluster.local import local_cluster
from rnnjax.errors import ConfigError, printable, shell_word
from rnnjax.lazy import xr
from rnnjax.sweep.backend import configured, wanted_devices
from rnnjax.sweep.compute import InterruptedSweepError, run_sweep
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.experiment import load
from rnnjax.sweep.memory import largest_chunk
from rnnjax.sweep.merge import merge
from rnnjax.sweep.presence import at_work
from rnnjax.sweep.progress import shown_progress
from rnnjax.sweep.request import Request, request_of
from rnnjax.sweep.reuse import Earlier
from rnnjax.sweep.same_code import code_record, refuse_other_code
from rnnjax.sweep.same_sweep import difference_text
from rnnjax.sweep.store import Store
from rnnjax.sweep.verify import problems_in
from rnnjax.sweep.whereabouts import whereabouts


def show_help(arguments: Namespace) -> int:
    """Print the help of run or plan, with the keys of the experiment if one is named."""
    text = arguments.parser.format_help().rstrip()
    if arguments.experiment is not None:
        keys = keys_help(load(arguments.experiment).setting)
        text += f"\n\nconfig of {printable(arguments.experiment)}:\n{keys}"
    print(text)
    return 0


def plan(arguments: Namespace, overrides: Sequence[Override]) -> int:
    """Print what a sweep would do."""
    request = _requested(arguments, overrides)
    print(planning.summary(request, _devices(arguments, request), _out(arguments)))
    return 0


def run(arguments: Namespace, overrides: Sequence[Override]) -> int:
    """Run a sweep, or go on with it where it stands, and show what came out."""
    _check_cluster(arguments)
    request = _requested(arguments, overrides)
    out, again = _out(arguments), arguments.force
    spec = request.spec | whereabouts(request.experiment.path, out)
    spec |= {
        "reuse": [str(result(Path(o)).resolve()) for o in arguments.reuse],
        "reuse_unknown": again,
    }
    if not (out / "sweep.json").exists() and (out / "cube.nc").exists():
        cube = read_cube(out)
        if is_current(cube, out, spec, again=again):
            return present(request.experiment, cube, out, pdf=arguments.pdf)
        again = again and is_of_sweep(cube, spec)
    # Refuses a folder that does not fit before anything is written.
    tell_reuse(spec, request.experiment, Earlier(request.plan, spec))
    store = remember_place(Store.create(out, spec, again=again), request.experiment)
    return _sweep(request, store, arguments)


def resume(arguments: Namespace) -> int:
    """Go on with an interrupted sweep."""
    _check_cluster(arguments)
    out = result(Path(arguments.out))
    store = Store.open(out)
    request = _request_in(store, other_code=arguments.force, file=arguments.experiment)
    store.check_writable()
    if arguments.experiment is not None:
        remember_place(store, request.experiment)
    if arguments.force:
        store = Store.create(out, {**store.spec, "code": request.spec["code"]}, again=True)
    return _sweep(request, store, arguments)


def bring_together(out: Path, sources: Sequence[Path]) -> int:
    """Take the groups of several stores of one sweep into one, and collect its cube."""
    store, given = merge(out, [result(source) for source in sources])
    for source, number in given.items():
        print(f"merged  {number} groups of {printable(source)}")
    if store.committed():
        # Collecting existing cells computes none, so that a change of the code does not matter.
        tell_mixed(store.collect(_request_in(store, other_code=True).plan.axes), out)
    counts = store.counts()
    print(f"{printable(out)}: " + ", ".join(f"{number} {name}" for name, number in counts.items()))
    if counts["committed"] < counts["total"]:
        print(f"go on with: rnnjax resume {shell_word(out)}")
    return 0


def _request_in(store: Store, *, other_code: bool, file: str | None = None) -> Request:
    """The sweep of a store, as the experiment would plan it now; by `other_code` only if it may."""
    experiment = replace(experiment_in(store, file), name=store.spec["experiment"])
    if not other_code:
        code = experiment.code.record
        refuse_other_code(store.out, store.cells_codes(), code_record(store.spec), code)
    request = request_of(experiment, store.spec["config"], store.spec["precision"])
    if request.spec["config_hash"] != store.spec["config_hash"]:
        message = f"expected the config that {store.out} was started with, but the experiment has"
        raise ConfigError(
            "config", f"{message} changed ({difference_text(store.spec, request.spec)})"
        )
    return request


def _sweep(request: Request, store: Store, arguments: Namespace) -> int:
    command = f"rnnjax resume {shell_word(store.out)}"
    stopping = Interrupts(f"rnnjax: interrupted; go on with: {command}")
    with at_work(store.out) as others, stopping as interrupts:
        if others:
            _tell(f"{printable(store.out)}: another process is at work here too; both may go on")
        cube = _completed(request, store, arguments, interrupts)
        if interrupts.asked():
            interrupts.end()
        failed = tell_failures(store, sys.stderr)
        if cube is None:
            return 1
        if _on_a_cluster(arguments):
            tell_mixed(cube, store.out)
        shown = present(request.experiment, cube, store.out, pdf=arguments.pdf)
        return max(shown, 1 if failed else 0)


def _completed(
    request: Request, store: Store, arguments: Namespace, interrupts: Interrupts
) -> xr.Dataset | None:
    """The cube, after computing what it lacks; None if interrupted, or if every group failed."""
    if arguments.force:
        discard_other(store, request.experiment)
    problems = problems_in(store)
    for group in {problem.group for problem in problems if problem.group is not None}:
        store.discard(group)
    before = store.committed()
    if len(before) == len(request.plan.groups) and not problems and _has_cube(store):
        return read_cube(store.out)
    if len(before) < len(request.plan.groups):
        tell_mixture(store, request.experiment)
        compute = _on_cluster if _on_a_cluster(arguments) else _here
        if not compute(request, store, arguments, interrupts):
            return None
    return store.collect(request.plan.axes) if store.committed() else None


def _here(request: Request, store: Store, arguments: Namespace, interrupts: Interrupts) -> bool:
    """Compute what is missing in this process; False if interrupted."""
    devices = configured(_devices(arguments, request), request.precision, _tell)
    Thread(target=_import_ahead, daemon=True).start()
    try:
        run_sweep(
            request.experiment,
            request.plan,
            store,
            devices=devices,
            precision=request.precision,
            progress=shown_progress(),
            earlier=Earlier(request.plan, store.spec),
            stopped=interrupts.asked,
        )
    except InterruptedSweepError:
        return False
    return True


def _tell(line: str) -> None:
    print(f"rnnjax: {line}", file=sys.stderr)


def _import_ahead() -> None:
    """Import what the end of a sweep needs, while its programs are being compiled."""
    for name in ("xarray", "h5netcdf", "rnnjax.figures.save", "matplotlib.backends.backend_agg"):
        import_module(name)


def _on_a_cluster(arguments: Namespace) -> bool:
    return bool(arguments.cluster or arguments.scheduler or arguments.scheduler_file)


def _check_cluster(arguments: Namespace) -> None:
    """Refuse options that contradict one another, before anything is made."""
    asked = _on_a_cluster(arguments)
    if arguments.return_bytes and not asked:
        message = "expected --cluster, --scheduler or --scheduler-file beside it"
        raise ConfigError("return-bytes", message)
    if arguments.devices and asked:
        raise ConfigError("devices", "expected no --devices: a worker of a cluster has one device")
    if asked:
        check(arguments.scheduler_file)


def _on_cluster(
    request: Request, store: Store, arguments: Namespace, interrupts: Interrupts
) -> bool:
    """Have what is missing computed by workers; False if interrupted."""
    with ExitStack() as stack:
        if arguments.cluster:
            client = stack.enter_context(local_cluster(arguments.cluster))
        else:
            client = stack.enter_context(connected(arguments.scheduler, arguments.scheduler_file))
        return run_on(
            client,
            request,
            store,
            progress=shown_progress(),
            stopped=interrupts.asked,
            return_bytes=arguments.return_bytes,
        )


def _requested(arguments: Namespace, overrides: Sequence[Override]) -> Request:
    """The sweep that is asked for, in chunks that fit the memory if that is given."""
    request = requested(arguments, overrides)
    if arguments.memory is None:
        return request
    if any(key == "chunk" for key, _ in overrides):
        raise ConfigError("chunk", "expected no --chunk beside --memory, which chooses it")
    devices = configured(wanted_devices(arguments.devices), request.precision)
    chunk = largest_chunk(request, arguments.memory, devices)
    return requested(arguments, [*overrides, ("chunk", str(chunk))])


def _has_cube(store: Store) -> bool:
    return (store.out / "cube.nc").exists()


def _devices(arguments: Namespace, request: Request) -> int:
    # A device without a chunk of its own would only repeat another's.
    return min(wanted_devices(arguments.devices), request.plan.n_chunks)


def _out(arguments: Namespace) -> Path:
    if arguments.out is not None:
        if not arguments.out or "\0" in arguments.out:
            raise ConfigError("out", f"expected a folder, got {arguments.out!r}")
        return Path(arguments.out)
    name = Path(arguments.experiment).name.removesuffix(".py")
    return Path("results") / (f"{name}.quick" if arguments.quick else name)
