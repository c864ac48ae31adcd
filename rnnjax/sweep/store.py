"""The result store of a sweep: shards that are committed once, and the cube collected from them.

    OUT/sweep.json        what the sweep is: config, its hash, the groups
    OUT/groups/<id>.nc    the shard of one group: one combination of the static axes, a run of lanes
    OUT/groups/<id>.json  its receipt: the shard's sha256 and what is known about the run
    OUT/failed/<id>.json  the error of a group that failed
    OUT/cube.nc           the cube, rebuilt from the shards at will; OUT/cube.json is its receipt
    OUT/tmp/              files on their way to one of these names

A group is committed when its shard and then its receipt are there. A crash between the two costs
nothing: the shard that is computed again has the same bytes. There is no lock, and files change
only by being renamed, so any number of processes may share a store.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnnjax.lazy import xr
from rnnjax.sweep import files, netcdf
from rnnjax.sweep.cube import Place, assemble, with_members, write_cube
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.manifest import PLACE, check_spec, commit_spec
from rnnjax.sweep.provenance import merged
from rnnjax.sweep.same_code import CELLS, code_record, known, refuse_other_code
from rnnjax.sweep.same_sweep import refuse_other_sweep
from rnnjax.sweep.status import check_companions

__all__ = ["Store", "StoreError"]

_FEW = 8  # groups, below which each is looked up by its name
SHARD, RECEIPT, FAILURE = "groups/{}.nc", "groups/{}.json", "failed/{}.json"


class Store:
    """The results of one sweep in a folder; use `Store.create` or `Store.open`."""

    def __init__(self, out: Path, spec: Mapping[str, Any]) -> None:
        self.out, self.spec = out, dict(spec)
        self.groups = {g["id"]: Place(*(g[key] for key in PLACE)) for g in spec["groups"]}

    @classmethod
    def create(
        cls, out: str | os.PathLike[str], spec: Mapping[str, Any], *, again: bool = False
    ) -> Store:
        """Makes a store, or opens the one that is there if it is for the same sweep.

        Args:
            out: the folder; made with the ones above it.
            spec: JSON-able; "schema", "experiment", "config", "precision", their "config_hash",
                "groups": [{"id": safe file name, "static": {axis: value}, "first": lane, "n_lanes":
                number}, ...], and more; "code" as `Code.record` tells it.
            again: whether to start again where other code, or code that is not known, has computed
                what is there. Its files no longer belong to the store then: they are problems, and
                to be discarded.

        Raises:
            StoreError: another sweep or a finished result is there, the spec is not consistent, or
                the folder cannot be written.
            ConfigError: other code has computed what is there.
        """
        out, path = Path(out), Path(out) / "sweep.json"
        check_spec(path, spec)
        if os.path.exists(path):
            cls.open(out)._refuse_other(spec, again)
        elif os.path.exists(out / "cube.nc") and not again:
            raise StoreError(f"{out}: holds a finished result (cube.nc); choose another --out")
        cls(out, spec).check_writable()
        commit_spec(path, spec, again)
        store = cls.open(out)
        store._refuse_other(spec)  # it may be another process's, made meanwhile
        return store

    @classmethod
    def open(cls, out: str | os.PathLike[str]) -> Store:
        """Opens a store, which may be read-only; StoreError if it is none, or is damaged."""
        path = Path(out) / "sweep.json"
        if not os.path.exists(path):
            raise StoreError(f"{out}: holds no sweep (there is no sweep.json)")
        spec = files.read_sealed(path)
        check_spec(path, spec)
        return cls(Path(out), spec)

    def check_writable(self) -> None:
        """Makes the folders and tries a whole commit; StoreError where that fails.

        Raises:
            SetupError: the system has no files that survive a crash; nothing is written.
        """
        files.check_system()
        for name in (".", "groups", "failed", "tmp"):
            files.ensure_folder(self.out / name)
        probe = self.out / "tmp" / f"probe.{os.urandom(4).hex()}"
        files.commit_new(probe, b"probe", self.out / "tmp")
        files.remove(probe)

    def commit(self, group: str, dataset: xr.Dataset, receipt: Mapping[str, Any]) -> None:
        """Keeps the result of a group for good, and forgets that it failed.

        Args:
            group: its id.
            dataset: every variable over ``lane`` and its inner dims, each with its status.
            receipt: JSON-able; versions, host, times: all that may differ between two runs.

        Raises:
            StoreError: another result of the group is there, or the file cannot be written.
            ValueError: a variable without status, or of a type that netCDF cannot hold.
        """
        check_companions(dataset)
        self._commit(group, netcdf.encode(dataset), receipt)

    def commit_encoded(self, group: str, data: bytes, receipt: Mapping[str, Any]) -> None:
        """Does what `commit` does with the bytes of a shard, as another machine has made them."""
        check_companions(netcdf.decode(data, self.path_of(SHARD, group)))
        self._commit(group, data, receipt)

    def _commit(self, group: str, data: bytes, receipt: Mapping[str, Any]) -> None:
        shard = self.path_of(SHARD, group)
        record = {**receipt, **self._signature(group), "sha256": files.sha256(data)}
        sealed = files.seal(record)
        files.commit_new(shard, data, self.out / "tmp")
        self._commit_receipt(group, sealed, record["sha256"])
        files.remove(self.path_of(FAILURE, group))

    def fail(self, group: str, error: str) -> None:
        """Notes that a group failed, unless it is committed; keeps 20,000 characters of `error`."""
        path = self.path_of(FAILURE, group)
        if group not in self.committed([group]):
            record = {**self._signature(group), "error": error[:20_000]}
            files.commit_over(path, files.seal(record), self.out / "tmp")

    def discard(self, group: str) -> None:
        """Drops all files of a group, so that resuming computes it again."""
        # The shard first: a receipt that stays behind vouches for the shard computed again.
        for kind in (SHARD, RECEIPT, FAILURE):
            files.remove(self.path_of(kind, group))

    def committed(self, among: Sequence[str] | None = None) -> set[str]:
        """The ids, of those given or of all, whose shard and readable receipt are there."""
        asked = list(self.groups) if among is None else among
        names = self._names_of(asked) if len(asked) < _FEW else self.names_in("groups")
        both = [g for g in asked if {SHARD.format(g), RECEIPT.format(g)} <= names]
        return {group for group in both if self._sound(RECEIPT, group) is not None}

    def failed(self) -> dict[str, str]:
        """The error of every group that failed and was not committed since, by id."""
        names = self.names_in("failed")
        ids = [group for group in self.groups if FAILURE.format(group) in names]
        errors = {
            g: (self._sound(FAILURE, g) or {}).get("error", "its record is lost") for g in ids
        }
        done = self.committed(ids)
        return {group: error for group, error in errors.items() if group not in done}

    def counts(self) -> dict[str, int]:
        """How many groups there are: "total", "committed", "failed", "missing"."""
        total, done, failed = len(self.groups), len(self.committed()), len(self.failed())
        missing = total - done - failed
        return {"total": total, "committed": done, "failed": failed, "missing": missing}

    def n_bytes(self) -> int:
        """The bytes of all shards."""
        names = [name for name in self.names_in("groups") if name.endswith(".nc")]
        with files.naming(self.out / "groups"):
            return sum(os.path.getsize(self.out / name) for name in names)

    def receipts(self) -> dict[str, dict[str, Any]]:
        """What is known about the run of every committed group, by id."""
        return {
            group: self.sealed(self.path_of(RECEIPT, group), group)
            for group in sorted(self.committed())
        }

    def load(self, group: str) -> xr.Dataset:
        """The shard of a committed group, checked against its receipt; StoreError if damaged."""
        return netcdf.decode(self.read(group)[0], self.path_of(SHARD, group))

    def read(self, group: str) -> tuple[bytes, dict[str, Any]]:
        """The bytes of a shard and its receipt, which agree; StoreError if not."""
        shard = self.path_of(SHARD, group)
        data = files.read_bytes(shard)
        receipt = self.sealed(self.path_of(RECEIPT, group), group)
        if receipt.get("sha256") != files.sha256(data):
            raise StoreError(f"{shard}: damaged: its sha256 is not the one in its receipt")
        return data, receipt

    def collect(self, axes: Mapping[str, Any]) -> xr.Dataset:
        """Builds the cube of what is committed, and puts it in place of the old cube.nc.

        Args:
            axes: the values of every axis, static and lane alike, in the order of the dims.

        Returns:
            The cube: the axes, then the inner dims, with the provenance of the shards. Groups that
            are missing or failed are filled (NaN, -1) and have the status MISSING or FAILED.

        Raises:
            StoreError: no group is committed, a shard is damaged or does not fit the axes.
        """
        own = {key: self.spec[key] for key in ("experiment", "config", "config_hash", "schema")}
        while True:
            done, failed = sorted(self.committed()), sorted(self.failed())
            record: list[dict[str, str]] = []
            shards = ((group, self._heard(group, record)) for group in done)
            cube = assemble(axes, self.groups, shards, failed)
            cube = with_members(cube, self.spec["config"].get("axes", {}))
            for key, value in {**own, **merged(record)}.items():
                plain = type(value) in (str, int, float)
                cube.attrs[key] = value if plain else json.dumps(value, sort_keys=True)
            code_too = {"code": self.spec["code"]} if "code" in self.spec else {}
            write_cube(self.out, cube, {**self._signature(None), **code_too, "groups": done})
            # Of two collectors the one that saw fewer groups may be the last to write: it looks
            # again, so that the cube that stays holds all.
            if (done, failed) == (sorted(self.committed()), sorted(self.failed())):
                return cube

    def _names_of(self, groups: Sequence[str]) -> set[str]:
        """The shards and receipts of some groups that are there, without listing all others."""
        names = [kind.format(group) for group in groups for kind in (SHARD, RECEIPT)]
        return {name for name in names if os.path.lexists(self.out / name)}

    def _heard(self, group: str, record: list[dict[str, str]]) -> xr.Dataset:
        """The shard of a group, whose attributes are added to `record`."""
        shard = self.load(group)
        if shard.attrs not in record:
            record.append(shard.attrs)
        return shard

    def path_of(self, kind: str, group: str) -> Path:
        """The SHARD, RECEIPT or FAILURE of a group; StoreError if it is no group of this sweep."""
        if group not in self.groups:
            raise StoreError(f"{self.out}: {group!r} is no group of this sweep")
        return self.out / kind.format(group)

    def names_in(self, folder: str) -> set[str]:
        """The files in a folder of the store, as paths below OUT."""
        with files.naming(self.out / folder):
            there = os.listdir(self.out / folder) if os.path.isdir(self.out / folder) else []
        return {f"{folder}/{name}" for name in there}

    def sealed(self, path: Path, group: str | None) -> dict[str, Any]:
        """The content of a sealed file, which must be about `group` of this sweep."""
        record = files.read_sealed(path)
        if not self._signature(group).items() <= record.items():
            raise StoreError(f"{path}: belongs to another group or another sweep")
        return record

    def _commit_receipt(self, group: str, sealed: bytes, digest: str) -> None:
        path = self.path_of(RECEIPT, group)
        if os.path.lexists(path) and self._sound(RECEIPT, group) is None:
            files.remove(path)  # damaged, so it vouches for nothing
        try:
            files.commit_new(path, sealed, self.out / "tmp")
        except StoreError:
            # Another writer's receipt tells other times and another host of the same shard.
            if (self._sound(RECEIPT, group) or {}).get("sha256") != digest:
                raise

    def _signature(self, group: str | None) -> dict[str, Any]:
        """What a receipt must tell to be one of this sweep, computed by the code of this sweep."""
        code = code_record(self.spec)
        whose = {"sweep_code": code["cells"]} if code else {}
        return {"group": group, "config_hash": self.spec["config_hash"], **whose}

    def _refuse_other(self, spec: Mapping[str, Any], again: bool = False) -> None:
        refuse_other_sweep(self.out, self.spec, spec)
        if not again:
            refuse_other_code(
                self.out, self.cells_codes(), code_record(self.spec), code_record(spec)
            )

    def cells_codes(self) -> set[str]:
        """The fingerprints, as far as they are known, of the code that computed this sweep."""
        code = code_record(self.spec)
        if code:
            return known([code["cells"]])
        return known(receipt.get(CELLS) for receipt in self.receipts().values())

    def _sound(self, kind: str, group: str) -> dict[str, Any] | None:
        try:
            return self.sealed(self.path_of(kind, group), group)
        except StoreError:
            return None
