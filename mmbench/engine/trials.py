"""Run trials: what is missing is trained and evaluated in processes of its own, and never twice.

A trial has a folder, named by its key: `trial.json` says what it is, `train.log` and `eval.log` what its processes
said; `weights.safetensors` and the run itself are what came out. Files and runs are whole or absent, so what is there
is done, whoever did it and whatever was killed since.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmbench.budget import TOLERANCE
from mmbench.checkpoint import check_folder
from mmbench.engine.trial import Trial
from mmbench.engine.trial_turns import Turns
from mmbench.engine.trial_work import Done, Verb, Work
from mmbench.errors import UsageError
from mmbench.record.schema import RunRecord

_POLL_S = 0.1
_WAITS = {
    True: "others work in this folder of trials; costs are measured when they have finished what runs",
    False: "another comparison measures costs in this folder of trials; waiting for that",
}
"""What is told of a pass that must wait, by whether it measures."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What became of a trial.

    Attributes:
        run: the folder of its run; `None` if it failed.
        record: of that run.
        reason: why it failed, in one line.
    """

    trial: Trial
    run: Path | None
    record: RunRecord | None
    reason: str | None


class TrialProgress:
    """Listener to a comparison's trials; this one hears nothing."""

    def planned(self, trials: int, stored: int, trainings: int, evaluations: int) -> None:
        """Of so many trials, so many are stored; so many trainings and evaluations are to be done."""

    def running(self, labels: Sequence[str]) -> None:
        """What runs now."""

    def done(self, verb: Verb, label: str, number: int, total: int, seconds: float) -> None:
        """A training or an evaluation has ended well, the `number`-th of `total`."""

    def failed(self, label: str, reason: str) -> None:
        """A trial failed; the others go on."""

    def note(self, message: str) -> None:
        """Something the user should know, in one line."""


def run_trials(
    trials: Sequence[Trial], *, folder: Path, jobs: int = 1, progress: TrialProgress | None = None
) -> list[TrialResult]:
    """Train and evaluate what is missing, and return what became of each trial, in their order.

    Evaluations with cost passes come last, one after the other, so that nothing of this call runs beside them, nor of
    another call in the same folder. A trial that another process works on is waited for. If this process ends, however
    it does, so do those it started.

    Args:
        trials: to be made; see `plan_trials`.
        folder: of all trials, each in its own.
        jobs: processes at a time.
        progress: told what is to be done and what was.

    Raises:
        UsageError: `jobs` is not positive, or `folder` cannot be written.
    """
    if jobs < 1:
        raise UsageError(f"--jobs must be at least 1, not {jobs}")
    check_folder(folder)
    works = [Work(trial, folder / trial.key, alone=trial.evaluation.cost != "off", jobs=jobs) for trial in trials]
    _Trials(works, Turns(folder), progress or TrialProgress()).go(jobs)
    return [_result(work) for work in works]


class _Trials:
    """Works through trials with a number of processes."""

    def __init__(self, works: Sequence[Work], turns: Turns, progress: TrialProgress) -> None:
        self._works = works
        self._turns = turns
        self._progress = progress
        todo = [work.todo() for work in works]
        self._total: dict[Verb, int] = {verb: sum(verb in each for each in todo) for verb in ("train", "eval")}
        self._number: dict[Verb, int] = {"train": 0, "eval": 0}
        progress.planned(len(works), todo.count([]), self._total["train"], self._total["eval"])

    def go(self, jobs: int) -> None:
        """All that may run beside each other, then what must run alone."""
        self._pass(jobs, alone=False)
        self._pass(1, alone=True)

    def _pass(self, jobs: int, *, alone: bool) -> None:
        waiting = [work for work in self._works if work.next(alone=alone)]
        running: list[Work] = []
        told: set[str] = set()

        def wait(message: str) -> None:
            if message not in told:
                told.add(message)
                self._progress.note(message)

        try:
            while waiting or running:
                ended = [(work, done) for work in running if (done := work.ended())]
                for work, done in ended:
                    self._tell(work, done)
                    running.remove(work)
                    if self._begins(work, alone=alone):
                        running.append(work)
                for work in waiting[:]:
                    if len(running) >= jobs:
                        break
                    if not self._turns.take(alone=alone):
                        wait(_WAITS[alone])
                        break
                    if work.reserve():
                        waiting.remove(work)
                        if self._begins(work, alone=alone):
                            running.append(work)
                    else:
                        wait(f"{work.trial.label}: another comparison works on it; waiting for that")
                if self._turns.taken and not running:
                    self._turns.drop()
                self._progress.running([work.trial.label for work in running])
                time.sleep(0 if ended else _POLL_S)
        finally:
            for work in running:
                work.stop()
            self._turns.drop()

    def _begins(self, work: Work, *, alone: bool) -> bool:
        """Start what a reserved trial needs next; if that is nothing, or it fails, let go of it."""
        started = work.start(alone=alone)
        if not started:
            work.release()
        if work.reason and not started:
            self._progress.failed(work.trial.label, work.reason)
        return started

    def _tell(self, work: Work, done: Done) -> None:
        if work.reason is None:
            self._number[done.verb] += 1
            self._progress.done(
                done.verb, work.trial.label, self._number[done.verb], self._total[done.verb], done.seconds
            )


def _result(work: Work) -> TrialResult:
    found = None if work.reason else work.trial.stored(work.folder)
    reason = work.reason or ("it has no run" if found is None else _off_budget(work.trial, found[1]))
    return (
        TrialResult(work.trial, None, None, reason)
        if reason or found is None
        else TrialResult(work.trial, *found, None)
    )


def _off_budget(trial: Trial, record: RunRecord) -> str | None:
    """What is wrong with the number of parameters, where one is asked for."""
    asked, own = trial.build.parameters, record.model.parameters
    if asked is None or (own is not None and abs(own - asked) <= TOLERANCE * asked):
        return None
    if own is None:
        return f"it does not tell how many parameters it has, and {asked:,} were asked for"
    return f"it has {own:,} parameters, not {asked:,} within {TOLERANCE:.0%}"
