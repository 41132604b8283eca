"""Trials are made in processes of their own, once, whatever was killed before."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.engine.progress import TrainProgress
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions
from mmbench.engine.train_source import On
from mmbench.engine.trial_plan import Recipe, plan_trials
from mmbench.engine.trial_turns import Turns
from mmbench.engine.trials import TrialProgress, run_trials
from mmbench.errors import UsageError
from mmbench.record.store import Store

TRAINING = TrainOptions(workers=0)
EVALUATION = EvalOptions(workers=0, threads=1, device="cpu", invariance=0, limit=30)
PLAN = """
import sys
from pathlib import Path
from mmbench.registry import load_plugin_file
load_plugin_file(Path(sys.argv[1]))
from mmbench.engine.options import EvalOptions
from mmbench.engine.train_options import TrainOptions
from mmbench.engine.train_source import On
from mmbench.engine.trial_plan import Recipe, plan_trials
from mmbench.engine.trials import run_trials
evaluation = EvalOptions(workers=0, threads=1, device="cpu", invariance=0, limit=30)
recipe = Recipe(training=TrainOptions(workers=0), evaluation=evaluation, floors=False)
run_trials(plan_trials(["contest-ready", "contest-waits"], On("contest"), recipe), folder=Path(sys.argv[2]), jobs=2)
"""
"""A process of its own that runs two trials."""


class Listener(TrialProgress):
    """Keeps what it is told."""

    def __init__(self):
        self.plan = None
        self.lines = []
        self.beside = set()

    def planned(self, trials, stored, trainings, evaluations):
        self.plan = (trials, stored, trainings, evaluations)

    def running(self, labels):
        self.beside.add(tuple(sorted(labels)))

    def done(self, verb, label, number, total, seconds):
        assert seconds > 0
        self.lines.append(f"{verb} {label} {number}/{total}")

    def failed(self, label, reason):
        self.lines.append(f"failed {label}: {reason}")

    def note(self, message):
        self.lines.append(message)


def plan(*models, evaluation=EVALUATION, training=TRAINING, seeds=1):
    recipe = Recipe(training=training, evaluation=evaluation, seeds=seeds, floors=False)
    return plan_trials(models, On("contest"), recipe)


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def rows(run):
    return Store(run).load_samples(run).to_pylist()


def test_what_is_missing_is_made_and_nothing_twice(contest, tmp_path):
    """One that fails keeps no other from its run, and what is measured runs last, with nothing beside it."""
    trials = plan("contest-counts", "contest-fails", "contest-ready", evaluation=replace(EVALUATION, cost="quick"))
    first = Listener()
    results = run_trials(trials, folder=tmp_path, jobs=2, progress=first)
    assert first.plan == (3, 0, 2, 3)
    assert sorted(first.lines[:2]) == [
        "failed contest-fails: planted: this model cannot be made",
        "train contest-counts 1/2",
    ]
    assert sorted(line[:-4] for line in first.lines[2:]) == ["eval contest-counts", "eval contest-ready"]
    assert ("contest-counts", "contest-fails") in first.beside
    assert not any(len(labels) > 1 and "contest-ready" in labels for labels in first.beside)
    counts, fails, ready = results
    assert (fails.run, fails.record, fails.reason) == (None, None, "planted: this model cannot be made")
    assert counts.record.metrics["accuracy"].value == 1.0
    assert counts.record.settings["cost"] == ready.record.settings["cost"] == "quick"
    assert counts.record.cost.throughput.samples_per_s > 0
    folder = tmp_path / counts.trial.key
    assert {path.name for path in folder.iterdir()} - {".lock", ".journal"} == {
        "trial.json",
        "train.log",
        "eval.log",
        "weights.safetensors",
        "contest",
    }
    assert (folder / "train.log").read_text().startswith("$ mmbench train --plugin ")
    before = times(folder)
    again = Listener()
    (found,) = run_trials(trials[:1], folder=tmp_path, progress=again)
    assert again.plan == (1, 1, 0, 0)
    assert again.lines == []
    assert found == counts
    assert times(folder) == before


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def gone(pid):
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends the children of a process")
def test_killed_half_way_and_begun_again(contest, tmp_path, monkeypatch):
    gate, folder = tmp_path / "gate", tmp_path / "trials"
    monkeypatch.setenv("CONTEST_GATE", str(gate))
    ready, waits = plan("contest-ready", "contest-waits")
    command = [sys.executable, "-c", PLAN, contest, folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as parent:
        try:
            wait_for(lambda: parent.poll() is not None or ready.stored(folder / ready.key))
            assert parent.poll() is None, parent.stderr.read()
            wait_for(lambda: len(children(parent.pid)) == 1)  # the other is evaluated
            (child,) = children(parent.pid)
        finally:
            parent.send_signal(signal.SIGKILL)
    wait_for(lambda: gone(child))
    assert not (folder / waits.key / "weights.safetensors").exists()
    before = times(folder / ready.key)
    gate.touch()
    listener = Listener()
    results = run_trials([ready, waits], folder=folder, progress=listener)
    assert listener.plan == (2, 1, 1, 1)
    assert listener.lines == ["train contest-waits 1/1", "eval contest-waits 1/1"]
    assert times(folder / ready.key) == before
    # The same as what nothing interrupted.
    whole = train("contest-waits", "contest", options=TRAINING, output=tmp_path / "whole.safetensors")
    assert (folder / waits.key / "weights.safetensors").read_bytes() == whole.path.read_bytes()
    undisturbed = evaluate("contest-waits", "contest", weights=whole.path, options=EVALUATION, output=tmp_path)
    assert rows(results[1].run) == rows(undisturbed.folder)


class Interrupted(TrialProgress):
    """Raised by the user as soon as a process runs."""

    def running(self, labels):
        (self.child,) = wait_for(lambda: children(os.getpid()))
        raise KeyboardInterrupt


@pytest.mark.skipif(sys.platform != "linux", reason="looks the children up where Linux has them")
def test_an_interrupt_leaves_no_process(contest, tmp_path, monkeypatch):
    monkeypatch.setenv("CONTEST_GATE", str(tmp_path / "gate"))
    (trial,) = plan("contest-waits")
    listener = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run_trials([trial], folder=tmp_path, progress=listener)
    assert gone(listener.child)
    with FileLock(tmp_path / trial.key / ".lock", timeout=0):  # others may have it
        pass


class Stopper(TrainProgress):
    """Interrupts a training after its first epoch."""

    def step(self, done, total):
        if done == total - 1:
            raise KeyboardInterrupt


def test_an_interrupted_training_goes_on(contest, tmp_path, threads):
    training = replace(TRAINING, epochs=2, batch_size=64)
    (trial,) = plan("text-only", training=training)
    folder = tmp_path / "trials" / trial.key
    folder.mkdir(parents=True)
    (folder / "trial.json").write_text(trial.description())
    with pytest.raises(KeyboardInterrupt):
        train("text-only", "contest", options=training, output=trial.weights(folder), progress=Stopper())
    assert list(trial.checkpoints(folder).glob("checkpoint-*"))
    whole = train("text-only", "contest", options=training, output=tmp_path / "whole.safetensors")
    (result,) = run_trials([trial], folder=tmp_path / "trials")
    assert result.reason is None
    log = (folder / "train.log").read_text()
    assert "--resume" in log
    assert "epoch   2" in log
    assert "epoch   1" not in log
    assert trial.weights(folder).read_bytes() == whole.path.read_bytes()
    assert not trial.checkpoints(folder).exists()


class Other(Listener):
    """As if another comparison made the trial as soon as this one says that it waits."""

    def __init__(self, trial, folder):
        super().__init__()
        self.trial, self.folder = trial, folder
        self.lock = FileLock(folder / ".lock")
        self.lock.acquire()

    def note(self, message):
        super().note(message)
        evaluate(self.trial.model, self.trial.task, options=EVALUATION, output=self.folder)
        self.lock.release()


def test_what_another_comparison_works_on_is_waited_for(contest, tmp_path, threads):
    (trial,) = plan("contest-ready")
    folder = tmp_path / trial.key
    folder.mkdir()
    other = Other(trial, folder)
    (result,) = run_trials([trial], folder=tmp_path, progress=other)
    assert other.lines == ["contest-ready: another comparison works on it; waiting for that"]
    assert result.run.is_relative_to(folder)
    assert not (folder / "eval.log").exists()


class Beside(Listener):
    """As if other comparisons were in the folder until this one says that it waits."""

    def __init__(self, folder, *, measuring):
        super().__init__()
        self.turns = Turns(folder)
        assert self.turns.take(alone=measuring)

    def note(self, message):
        super().note(message)
        self.turns.drop()

    def done(self, verb, label, number, total, seconds):
        assert not self.turns.taken
        super().done(verb, label, number, total, seconds)


def test_what_is_measured_has_the_folder_of_trials_to_itself(contest, tmp_path):
    """Two comparisons: one that measures waits for the other's work, and that for what is measured."""
    (measured,) = plan("contest-ready", evaluation=replace(EVALUATION, cost="quick"))
    other = Beside(tmp_path, measuring=False)
    (result,) = run_trials([measured], folder=tmp_path, progress=other)
    assert other.lines == [
        "others work in this folder of trials; costs are measured when they have finished what runs",
        "eval contest-ready 1/1",
    ]
    assert result.reason is None
    other = Beside(tmp_path, measuring=True)
    (result,) = run_trials(plan("contest-floor"), folder=tmp_path, progress=other)
    assert other.lines == [
        "another comparison measures costs in this folder of trials; waiting for that",
        "train contest-floor 1/1",
        "eval contest-floor 1/1",
    ]
    assert Turns(tmp_path).take(alone=True)  # nothing is held any more


def test_a_run_without_the_costs_that_are_asked_for_is_no_such_run(contest, tmp_path, threads):
    (trial,) = plan("contest-ready")
    evaluate("contest-ready", "contest", options=EVALUATION, output=tmp_path)
    assert trial.stored(tmp_path) is not None
    assert replace(trial, evaluation=replace(EVALUATION, cost="quick")).stored(tmp_path) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(contest, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="cannot write"):
        run_trials(plan("contest-ready"), folder=tmp_path / "trials")


def test_no_process_makes_nothing(tmp_path):
    with pytest.raises(UsageError, match="--jobs must be at least 1, not 0"):
        run_trials([], folder=tmp_path, jobs=0)
