"""The noise floor of a runner: what the same code seems to change against itself, kept by runner and workload."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mmbench.errors import UsageError
from mmbench.gate.options import GateOptions
from mmbench.gate.pair import Pair
from mmbench.gate.pingpong import log_ratios
from mmbench.gate.workload import Workload
from mmbench.leaderboard.output import write_file
from mmbench.record.environment import capture
from mmbench.record.gate import Floor
from mmbench.record.schema import Environment

CALIBRATION_PAIRS = 12
"""Of the same code, from which gates of fewer pairs are drawn."""

_SAFETY = 2.0
"""Times the 95th percentile of what gates of the same code found: a percentile of a dozen pairs is itself uncertain."""

_QUANTILE = 0.95
_DRAWS = 10_000
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
    """The floor from pairs of the same code: twice the 95th percentile of what gates of `options.pairs` would find."""
    rng = np.random.default_rng(0)
    floors = {}
    for metric in options.timings:
        medians = np.array([np.median(log_ratios(pair.blocks[metric])) for pair in pairs])
        drawn = medians[rng.integers(len(medians), size=(_DRAWS, min(options.pairs, len(medians))))].mean(axis=1)
        floors[metric] = float(np.expm1(_SAFETY * np.quantile(np.abs(drawn), _QUANTILE)))
    return Floor(
        runner=runner(workload.threads),
        workload=workload_key(workload),
        created=datetime.now(UTC),
        pairs=len(pairs),
        floors=floors,
    )


def save_floor(floor: Floor, path: Path) -> None:
    """Keep a floor.

    Raises:
        HarnessError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, floor.model_dump_json(indent=2) + "\n")


def load_floor(path: Path, workload: Workload) -> Floor | None:
    """The floor in a file; `None` where there is none.

    Raises:
        UsageError: it is no floor, or of another runner or workload.
    """
    if not path.is_file():
        return None
    try:
        found = Floor.model_validate_json(path.read_text(encoding="utf-8"), strict=True)
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} holds no noise floor: make it again with --calibrate") from error
    for what, ours, theirs in (
        ("runner", runner(workload.threads), found.runner),
        ("workload", workload_key(workload), found.workload),
    ):
        if ours != theirs:
            raise UsageError(f"{path} holds the noise floor of another {what}: make it again with --calibrate")
    return found


def _fingerprint(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:_DIGITS]
