"""The folder of a run's checkpoints, and with what an interrupted run goes on."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mmbench.engine.processes import first_does, is_first, world_size
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import UsageError

_OPTIONS = "options.json"
_STATE = "trainer_state.json"
_LOCK = "lock"
_PATIENCE_S = 2.0  # the loader processes of a run that was killed inherited its lock, and end a moment later


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint as transformers' Trainer writes them.

    Attributes:
        path: its folder.
        epoch: the last one that was finished.
        stopped: there is none to come, since too many were no better.
    """

    path: Path
    epoch: int
    stopped: bool


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder of checkpoints; the first process does so for all of its run.

    Raises:
        UsageError: another training holds it, or it cannot be written.
    """
    lock = FileLock(folder / _LOCK)
    first_does(lambda: _take(lock, folder))
    try:
        yield
    finally:
        if is_first():
            (folder / _LOCK).unlink(missing_ok=True)
            lock.release()
            with suppress(OSError):  # it holds checkpoints, or is gone
                folder.rmdir()


def _take(lock: FileLock, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout as error:
        raise UsageError(
            f"another training writes to {folder.parent} (it holds {folder.name}): give another --output, or wait"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write to {folder.parent}: {error.strerror}") from error


def begin_or_resume(
    folder: Path, options: TrainOptions, identity: Mapping[str, Any], resume: bool, note: Callable[[str], None]
) -> Checkpoint | None:
    """Make the folder anew, or find the last whole checkpoint in it.

    Args:
        folder: of this run's checkpoints; it is `reserved`.
        options: how to train.
        identity: all that the result depends on besides the options.
        resume: go on with what is there.
        note: told what the user may not expect.

    Raises:
        UsageError: the folder holds another run, or cannot be written.
    """
    stored = folder / _OPTIONS
    # Neither loader processes nor trackers change what is learned, nor does how it is stored in the end.
    asked = replace(options, workers=0, log_to=(), store="float32")
    mine = json.dumps({**identity, "options": repr(asked), "processes": world_size()}, sort_keys=True)
    found = last_checkpoint(folder)
    if resume and found is not None:
        if _text(stored) != mine:
            raise UsageError(
                f"{folder} holds an interrupted run of another model, on other data or with other options; "
                "give those, or leave out --resume"
            )
        return found
    if resume:
        note("nothing to resume: no interrupted training is here; starting from the beginning")
    elif found is not None:
        note("an interrupted training is started over; --resume would have gone on with it")
    for path in folder.glob("checkpoint-*"):
        shutil.rmtree(path, ignore_errors=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stored.write_text(mine, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write to {folder.parent}: {error.strerror}") from error
    return None


def last_checkpoint(folder: Path) -> Checkpoint | None:
    """The last checkpoint that is whole; Trainer writes its state last, so one that was cut short has none."""
    found = [checkpoint for path in folder.glob("checkpoint-*") if (checkpoint := _read(path)) is not None]
    return max(found, key=lambda checkpoint: checkpoint.epoch, default=None)


def _read(path: Path) -> Checkpoint | None:
    try:
        state = json.loads((path / _STATE).read_text(encoding="utf-8"))
        control = state["stateful_callbacks"]["TrainerControl"]["args"]
        return Checkpoint(path, round(state["epoch"]), bool(control["should_training_stop"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
