"""How one trial fails: its code changes, its folder cannot be written, or its model is not of the size asked for."""

import sys
from dataclasses import replace

import pytest

from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.engine.train_options import TrainOptions
from mmbench.engine.train_source import On
from mmbench.engine.trial_plan import Recipe, plan_trials
from mmbench.engine.trial_work import Work
from mmbench.engine.trials import TrialProgress, run_trials

CHANGED = "the code has changed since the comparison began; start it again"
EVALUATION = EvalOptions(workers=0, threads=1, device="cpu", invariance=0, limit=30)
TRAINING = TrainOptions(workers=0)


def plan(*models):
    recipe = Recipe(training=TRAINING, evaluation=EVALUATION, seeds=1, floors=False)
    return plan_trials(models, On("contest"), recipe)


class Listener(TrialProgress):
    """Keeps what failed; does something when a trial runs."""

    def __init__(self, running=lambda: None):
        self.failures = []
        self.act = running

    def running(self, labels):
        if labels:
            self.act()

    def failed(self, label, reason):
        self.failures.append((label, reason))


def test_code_that_has_changed_meanwhile_is_not_run(contest, tmp_path):
    (trial,) = plan("contest-ready")
    stale = replace(trial, ground={**trial.ground, "code": {"mmbench": "0"}})
    listener = Listener()
    (result,) = run_trials([stale], folder=tmp_path, progress=listener)
    assert result.reason == CHANGED
    assert listener.failures == [("contest-ready", CHANGED)]
    assert not (tmp_path / stale.key / "eval.log").exists()


def test_what_was_made_while_a_plugin_file_changed_is_removed(own_contest, tmp_path, monkeypatch):
    """Neither weights nor a run of code that nobody can tell stay under the key of other code."""
    gate, whole = tmp_path / "gate", own_contest.read_bytes()
    monkeypatch.setenv("CONTEST_GATE", str(gate))

    def change():
        other = tmp_path / "other.py"
        other.write_bytes(whole + b"\n# changed\n")
        other.replace(own_contest)  # at once: the process may be reading it
        gate.touch()

    for trial in plan("contest-waits", "contest-ready"):
        own_contest.write_bytes(whole)
        folder = tmp_path / "trials" / trial.key
        (result,) = run_trials([trial], folder=tmp_path / "trials", progress=(listener := Listener(change)))
        assert result.reason == CHANGED
        assert listener.failures == [(trial.label, CHANGED)]
        log = (folder / ("eval.log" if trial.training is None else "train.log")).read_text()
        assert "error" not in log
        assert len(log.splitlines()) > 1  # the process came to its end
        assert not (folder / "weights.safetensors").exists()
        assert trial.stored(folder) is None
        own_contest.write_bytes(whole)
        (result,) = run_trials([trial], folder=tmp_path / "trials")
        assert result.reason is None


def test_a_folder_that_cannot_be_written_fails_one_trial(contest, tmp_path):
    first, second, third = plan("contest-ready", "contest-floor", "contest-counts")
    (tmp_path / first.key / "trial.json").mkdir(parents=True)
    (tmp_path / second.key).write_text("no folder")
    listener = Listener()
    results = run_trials([first, second, third], folder=tmp_path, progress=listener)
    assert [result.reason for result in results] == [
        f"cannot write {tmp_path / first.key / 'trial.json'}: Is a directory",
        f"cannot write to {tmp_path / second.key}: File exists",
        None,
    ]
    assert listener.failures == [(result.trial.label, result.reason) for result in results[:2]]
    assert not (tmp_path / first.key / ".trial.json").exists()


def test_another_number_of_parameters_than_asked_for_is_told(contest, tmp_path, threads):
    (trial,) = plan("contest-ready")
    asked = replace(trial, build=replace(trial.build, parameters=100))
    evaluate("contest-ready", "contest", options=EVALUATION, output=tmp_path / asked.key)
    (result,) = run_trials([asked], folder=tmp_path)
    assert result.reason == "it does not tell how many parameters it has, and 100 were asked for"


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_description_is_whole_or_as_it_was(contest, tmp_path):
    import resource

    (trial,) = plan("contest-ready")
    file = tmp_path / "trial.json"
    file.write_text("as it was")
    work = Work(trial, tmp_path, alone=False, jobs=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        assert not work.start(alone=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert work.reason == f"cannot write {file}: File too large"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"trial.json": "as it was"}
