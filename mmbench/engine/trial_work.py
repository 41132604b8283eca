"""One trial being made: what it still needs, under a lock, by processes one after the other."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from mmbench.engine.child import Child
from mmbench.engine.code_hash import code_hashes
from mmbench.engine.trial import Trial
from mmbench.errors import MMBenchError
from mmbench.registry import plugin_hashes

Verb = Literal["train", "eval"]

_TRIAL = "trial.json"
_LOCK = ".lock"
_CHANGED = "the code has changed since the comparison began; start it again"


@dataclass(frozen=True, slots=True)
class Done:
    """A process that has ended.

    Attributes:
        verb: what it was for.
        seconds: that it took.
    """

    verb: Verb
    seconds: float


class Work:
    """A trial and its folder.

    Attributes:
        reason: why it failed; `None` as long as it has not.
    """

    def __init__(self, trial: Trial, folder: Path, *, alone: bool, jobs: int) -> None:
        """Nothing is written yet.

        Args:
            trial: what to make.
            folder: where; no other trial's.
            alone: it is evaluated with nothing beside it, so on all cores.
            jobs: trials at a time otherwise.
        """
        self.trial = trial
        self.folder = folder
        self.reason: str | None = None
        self._alone = alone
        self._jobs = jobs
        self._lock: FileLock | None = None
        self._child: Child | None = None
        self._verb: Verb = "train"

    def todo(self) -> list[Verb]:
        """All that it still needs."""
        if self.trial.stored(self.folder) is not None:
            return []
        weights = self.trial.weights(self.folder)
        return ["eval"] if weights is None or weights.is_file() else ["train", "eval"]

    def next(self, *, alone: bool) -> Verb | None:
        """What it needs next and may have now: of an evaluation that must run alone, nothing until then."""
        todo = [] if self.reason else self.todo()
        return next((verb for verb in todo if verb == "train" or alone or not self._alone), None)

    def reserve(self) -> bool:
        """Keep other processes from the trial, unless one of them does so.

        Of one whose folder cannot be written this is the reason of its failure.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / _LOCK)
            lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            self.reason = f"cannot write to {self.folder}: {error.strerror}"
            return True
        self._lock = lock
        return True

    def release(self) -> None:
        """Let others have it."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def start(self, *, alone: bool) -> bool:
        """Start what it needs next; false if that is nothing, or cannot be started."""
        verb = self.next(alone=alone)
        if verb is None:
            return False
        if self._changed():
            self.reason = _CHANGED
            return False
        try:
            words = self._train_words() if verb == "train" else self._eval_words()
            self._describe()
            self._child = Child(words, self.folder / f"{verb}.log")
        except MMBenchError as error:
            self.reason = str(error)
            return False
        except OSError as error:
            self.reason = f"cannot write {self.folder / _TRIAL}: {error.strerror}"
            return False
        self._verb = verb
        return True

    def ended(self) -> Done | None:
        """The process if it has ended, after which `reason` says whether well; `None` as long as it runs."""
        child = self._child
        if child is None or not child.over():
            return None
        self._child = None
        if self._changed():
            self._discard()
            self.reason = _CHANGED
        else:
            self.reason = child.failure() or self._shortcoming()
        if self.reason is None:
            shutil.rmtree(self.trial.checkpoints(self.folder), ignore_errors=True)
        return Done(self._verb, child.seconds)

    def stop(self) -> None:
        """End the process if there is one, and let others have the trial."""
        if self._child is not None:
            self._child.stop()
            self._child = None
        self.release()

    def _changed(self) -> bool:
        """Whether code or plugin files are others than those that the trial's key is of."""
        ground = self.trial.ground
        code = ground["code"]
        assert isinstance(code, dict)  # noqa: S101  # as planned
        try:
            return code_hashes(code) != code or plugin_hashes() != ground["plugins"]
        except OSError:  # a file has gone while they were read
            return True

    def _discard(self) -> None:
        """Remove what the process that has ended made: nobody can tell of which code it is."""
        weights = self.trial.weights(self.folder)
        if self._verb == "train" and weights is not None:
            weights.unlink(missing_ok=True)
            shutil.rmtree(self.trial.checkpoints(self.folder), ignore_errors=True)
        elif found := self.trial.stored(self.folder):
            shutil.rmtree(found[0])

    def _shortcoming(self) -> str | None:
        """What a process that ended well did not give all the same."""
        if self._verb in self.todo():
            return f"{self._verb} has left nothing; see {self.folder / self._verb}.log"
        return None

    def _train_words(self) -> list[str]:
        # Checkpoints of another device or number of threads are of another course.
        resume = not self.trial.counts and self.trial.checkpoints(self.folder).is_dir() and self._as_described()
        return self.trial.train_words(self.folder, resume=resume)

    def _eval_words(self) -> list[str]:
        given = self.trial.evaluation
        if self._alone or self._jobs == 1:
            return self.trial.eval_words(self.folder, workers=given.workers, threads=given.threads)
        return self.trial.eval_words(self.folder, workers=1, threads=1)

    def _describe(self) -> None:
        """Write what it is, whole or not at all."""
        temporary = self.folder / f".{_TRIAL}"
        try:
            temporary.write_text(self.trial.description(), encoding="utf-8")
            temporary.replace(self.folder / _TRIAL)
        finally:
            temporary.unlink(missing_ok=True)

    def _as_described(self) -> bool:
        try:
            return (self.folder / _TRIAL).read_text(encoding="utf-8") == self.trial.description()
        except (OSError, ValueError):
            return False
