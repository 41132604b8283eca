"""Runs on disk: `record.json` and `samples.parquet`, `profile.json`, or `diagnosis.json`, in
`<root>/<task>/<dataset>/<model>/<run_id>/`.

A run appears whole or not at all: it is written into a temporary sibling folder, synced, and renamed.
"""

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from mmbench.errors import HarnessError, UsageError
from mmbench.record.diagnosis import DiagnosisRecord
from mmbench.record.profile import ProfileRecord
from mmbench.record.schema import RunRecord

R = TypeVar("R", RunRecord, ProfileRecord, DiagnosisRecord)

RECORD_FILE = "record.json"
SAMPLES_FILE = "samples.parquet"
PROFILE_FILE = "profile.json"
DIAGNOSIS_FILE = "diagnosis.json"
TRACE_FILE = "trace.json"
_TEMPORARY = ".tmp-"
_NAME_LENGTH = 60  # characters; at most 240 bytes of UTF-8, and file systems allow 255


def new_run_id(created: datetime) -> str:
    """Make a unique name that sorts by time, as `20261123T093000Z-1a2b3c`; `created` knows its time zone."""
    return f"{created.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


class Store:
    """Saves and finds runs below `root`; nothing is created before a run is saved."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, task: str, dataset: str, model: str, run_id: str) -> Path:
        """Where a run is, or will be, saved."""
        return self.root.joinpath(*map(_folder_name, (task, dataset, model)), run_id)

    def check_writable(self) -> None:
        """Find out before a long run whether it can be saved; leaves nothing behind.

        Raises:
            UsageError: `root` cannot be created or written.
        """
        try:
            existing = next(path for path in (self.root, *self.root.absolute().parents) if path.exists())
            if not existing.is_dir():
                raise UsageError(f"cannot write results to {self.root}: {existing} is a file, not a folder")
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            raise UsageError(f"cannot write results to {self.root}: {_reason(error)}") from error

    def save(self, record: RunRecord, samples: pa.Table) -> Path:
        """Write a run, one row of `samples` a sample, and return its folder.

        Raises:
            HarnessError: it cannot be written (no space, no permission, the run exists); nothing is left of it.
        """

        def write(folder: Path) -> None:
            (folder / RECORD_FILE).write_text(record.to_json(), encoding="utf-8")
            pq.write_table(samples, folder / SAMPLES_FILE, compression="zstd")

        return self._save(record, write)

    def save_profile(self, record: ProfileRecord, write_trace: Callable[[Path], None] | None = None) -> Path:
        """Write a profile, and a trace of it with `write_trace(path)` if that is given, and return its folder.

        Raises:
            HarnessError: as `save`.
        """

        def write(folder: Path) -> None:
            (folder / PROFILE_FILE).write_text(record.to_json(), encoding="utf-8")
            if write_trace is not None:
                write_trace(folder / TRACE_FILE)

        return self._save(record, write)

    def save_diagnosis(self, record: DiagnosisRecord) -> Path:
        """Write a diagnosis and return its folder.

        Raises:
            HarnessError: as `save`.
        """

        def write(folder: Path) -> None:
            (folder / DIAGNOSIS_FILE).write_text(record.to_json(), encoding="utf-8")

        return self._save(record, write)

    def _save(self, record: RunRecord | ProfileRecord | DiagnosisRecord, write: Callable[[Path], None]) -> Path:
        target = self.folder(record.task, record.dataset.name, record.model.name, record.run_id)
        temporary = target.with_name(_TEMPORARY + record.run_id)
        try:
            shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed while it saved this run
            temporary.mkdir(parents=True)
            try:
                write(temporary)
                for path in (*temporary.iterdir(), temporary):
                    _sync(path)
                temporary.rename(target)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            _sync(target.parent)
        except OSError as error:
            raise HarnessError(f"cannot write run {target}: {_reason(error)}") from error
        return target

    def load(self, path: Path) -> RunRecord:
        """Read a record from its file or its run's folder.

        Raises:
            UsageError: no record, not a valid one, or one of a newer schema; names file and field.
        """
        return _parse(path / RECORD_FILE if path.is_dir() else path, RunRecord, "run record")

    def load_profile(self, path: Path) -> ProfileRecord:
        """Read a profile from its file or its folder.

        Raises:
            UsageError: as `load`.
        """
        return _parse(path / PROFILE_FILE if path.is_dir() else path, ProfileRecord, "profile")

    def load_diagnosis(self, path: Path) -> DiagnosisRecord:
        """Read a diagnosis from its file or its folder.

        Raises:
            UsageError: as `load`.
        """
        return _parse(path / DIAGNOSIS_FILE if path.is_dir() else path, DiagnosisRecord, "diagnosis")

    def load_samples(self, path: Path, wanted: Callable[[str], bool] | None = None) -> pa.Table:
        """Read the samples of a run from its folder or any file in it; where `wanted`, only columns of such names.

        Raises:
            UsageError: no samples, or not a Parquet file.
        """
        file = (path if path.is_dir() else path.parent) / SAMPLES_FILE
        try:
            if wanted is None:
                return pq.read_table(file)
            return pq.read_table(file, columns=[name for name in pq.read_schema(file).names if wanted(name)])
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"cannot read {file}: {_reason(error)}") from error

    def find(self, paths: Sequence[Path]) -> list[tuple[Path, RunRecord]]:
        """Every record at or below `paths` (files or folders) with its file, oldest first.

        Raises:
            UsageError: a path does not exist, or what `load` refuses.
        """
        return _found(paths, RECORD_FILE, self.load)

    def find_diagnoses(self, paths: Sequence[Path]) -> list[tuple[Path, DiagnosisRecord]]:
        """Every diagnosis at or below `paths` (files or folders) with its file, oldest first.

        Raises:
            UsageError: as `find`.
        """
        return _found(paths, DIAGNOSIS_FILE, self.load_diagnosis)


def _found(paths: Sequence[Path], name: str, load: Callable[[Path], R]) -> list[tuple[Path, R]]:
    """Records in files of that name at or below `paths`, oldest first."""
    files: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist; expected a folder of runs or a {name}")
        for file in path.rglob(name) if path.is_dir() else [path]:
            if not file.parent.name.startswith(_TEMPORARY):
                files.setdefault(file.resolve(), file)
    found = [(file, load(file)) for file in files.values()]
    return sorted(found, key=lambda pair: (pair[1].created, pair[1].run_id))


def _folder_name(name: str) -> str:
    """Turn a name into one folder: no separators, no leading dot, not too long; the record keeps the exact name."""
    return re.sub(r"[^\w.+=@-]+", "-", name).lstrip(".")[:_NAME_LENGTH] or "_"


def _parse(file: Path, record: type[R], kind: str) -> R:
    """Read a record of that type; `kind` is what errors call it."""
    text = _read(file)
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not JSON: {error}") from error
    found = data.get("schema_version") if isinstance(data, dict) else None
    newest = record.model_fields["schema_version"].default
    if isinstance(found, int) and found > newest:
        raise UsageError(
            f"{file} has schema {found}; this mmbench ({version('mmbench')}) reads up to {newest}: upgrade mmbench"
        )
    if found is None:
        raise UsageError(f"{file} is not a {kind}: it has no schema_version")
    try:
        return record.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "record"
        raise UsageError(f"{file} is not a {kind}: {where}: {first['msg']}") from error


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not JSON: it is not UTF-8 text") from error


def _sync(path: Path) -> None:
    """Force a file or a folder's entries to disk."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open folders
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    """One line without the path, which the message names already."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())
