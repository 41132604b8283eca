"""The noise floor of a runner: what the same code seems to change against itself, kept by runner and workload."""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mmbench.errors import HarnessError, UsageError
from mmbench.gate.options import GateOptions
from mmbench.gate.pair import Pair
from mmbench.gate.pingpong import log_ratios
from mmbench.gate.workload import Workload
from mmbench.leaderboard.output import write_file
from mmbench.quantiles import student_t
from mmbench.record.environment import capture
from mmbench.record.gate import Floor
from mmbench.record.schema import Environment

CALIBRATION_PAIRS = 12
"""Of the same code, from which it is told what a gate of it would find: at most."""

_LEVEL = 0.95
_PACKAGES = ("python", "torch", "numpy", "cuda")
_DIGITS = 16  # of a fingerprint


def runner(threads: int) -> str:
    """Fingerprint of this machine as far as a floor depends on it."""
    return fingerprint(capture(threads))


def fingerprint(found: Environment) -> str:
    """Of hardware and versions, as far as times depend on them, and of nothing that names a machine."""
    return _fingerprint(
        {
            "cpu": found.cpu,
            "cores": found.logical_cores,
            "accelerators": found.accelerators,
            "versions": {name: found.versions.get(name) for name in _PACKAGES},
        }
    )


def workload_key(workload: Workload) -> str:
    """Fingerprint of what is run, without where its files lie."""
    told = workload.to_json() | {"plugins": [Path(file).name for file in workload.plugins]}
    return _fingerprint({name: told[name] for name in told if name not in ("data", "weights")})


def default_path(workload: Workload) -> Path:
    """Where the floor of this runner and workload is kept, in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    folder = Path(cache) if cache else Path.home() / ".cache"
    return folder / "mmbench" / "gate" / f"{runner(workload.threads)}-{workload_key(workload)}.json"


def floor_of(pairs: Sequence[Pair], workload: Workload, options: GateOptions) -> Floor:
    """The floor from pairs of the same code: the change that 95 % of gates of it stay below that make all their pairs.

    The mean of so many pairs around zero, by Student's t, since how far pairs lie apart is known from these pairs only.
    """
    floors = {}
    for metric in options.timings:
        medians = np.array([np.median(log_ratios(pair.blocks[metric])) for pair in pairs])
        error = math.sqrt(float(np.mean(medians**2)) / options.most_pairs)
        floors[metric] = math.expm1(student_t(_LEVEL, len(medians)) * error)
    return Floor(
        runner=runner(workload.threads),
        workload=workload_key(workload),
        created=datetime.now(UTC),
        pairs=len(pairs),
        most_pairs=options.most_pairs,
        floors=floors,
    )


def save_floor(floor: Floor, path: Path) -> None:
    """Keep a floor, and beside it what the file says of other metrics of the same runner and workload.

    Raises:
        HarnessError: it cannot be written.
    """
    with suppress(UsageError):  # what is no floor is replaced
        before = _read(path) if path.is_file() else None
        if before is not None and (before.runner, before.workload) == (floor.runner, floor.workload):
            kept = _of_gates_with(floor.most_pairs, before).floors
            floor = floor.model_copy(update={"floors": kept | floor.floors})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(f"cannot make the folder {path.parent}: {error.strerror or error}") from error
    write_file(path, floor.model_dump_json(indent=2) + "\n")


def load_floor(path: Path, workload: Workload, most_pairs: int) -> Floor | None:
    """The floor in a file, of gates of so many pairs; `None` where there is none of this runner.

    Raises:
        UsageError: it is no floor, or of another workload.
    """
    if not path.is_file():
        return None
    found = _read(path)
    if found.workload != workload_key(workload):
        raise UsageError(f"{path} holds the noise floor of another workload: make it again with --calibrate")
    return _of_gates_with(most_pairs, found) if found.runner == runner(workload.threads) else None


def _of_gates_with(most_pairs: int, floor: Floor) -> Floor:
    """The floor of gates of more or fewer pairs: the error of a mean goes with the root of their number."""
    scale = math.sqrt(floor.most_pairs / most_pairs)
    floors = {metric: math.expm1(scale * math.log1p(value)) for metric, value in floor.floors.items()}
    return floor.model_copy(update={"most_pairs": most_pairs, "floors": floors})


def _read(path: Path) -> Floor:
    try:
        return Floor.model_validate_json(path.read_text(encoding="utf-8"), strict=True)
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} holds no noise floor: make it again with --calibrate") from error


def _fingerprint(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:_DIGITS]
