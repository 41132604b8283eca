"""An interrupted training goes on where its last checkpoint stands, and ends with the same bytes."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmbench.engine.progress import TrainProgress
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import HarnessError, UsageError
from mmbench.model import BuildOptions
from mmbench.registry import registry
from mmbench_tasks.vqa.datasets import easy_vqa

TINY = TrainOptions(epochs=3, batch_size=64, limit=150, workers=0)
"""Three epochs of three steps, of images and texts."""

SMALL = TrainOptions(epochs=4, batch_size=64, workers=0)
"""Four epochs of three steps, of texts alone."""

UNTIL = """
import os, signal, sys
from pathlib import Path
from mmbench.engine.train_options import TrainOptions
from mmbench.engine.progress import TrainProgress
from mmbench.engine.train import train

class Killer(TrainProgress):
    def step(self, done, total):
        if done == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

options = TrainOptions(epochs=3, batch_size=64, limit=150, workers=1, augment=True, modality_dropout=0.2)
train("film", "vqa", options=options, output=Path(sys.argv[1]), progress=Killer())
"""
"""A process of its own that trains and is killed at a step."""


class Listener(TrainProgress):
    """Keeps what it is told, and stops a run if asked to."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.done = []
        self.notes = []

    def step(self, done, total):
        self.done.append(done)
        if done == self.stop_at:
            raise KeyboardInterrupt

    def note(self, message):
        self.notes.append(message)


def interrupted(output, options, step, task="test-tiny"):
    with pytest.raises(KeyboardInterrupt):
        train("text-only", task, options=options, output=output, progress=Listener(step))


def beside(output):
    return sorted(path.name for path in output.parent.iterdir())


def test_killed_in_the_middle_and_resumed_gives_the_same_bytes(tmp_path, monkeypatch):
    """With everything that is random in training, and a loader process that dies with its parent."""
    monkeypatch.setattr(registry, "files", [])  # as in the process that is killed
    options = dataclasses.replace(TINY, augment=True, modality_dropout=0.2)
    undisturbed = train("film", "vqa", options=options, output=tmp_path / "whole" / "film.safetensors")
    output = tmp_path / "killed" / "film.safetensors"
    folder = output.parent / ".film.training"
    command = [sys.executable, "-c", UNTIL, output, "5"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert [path.name for path in folder.glob("checkpoint-*")] == ["checkpoint-3"]
    assert beside(output) == [".film.training"]
    # What a kill while a checkpoint is being written leaves: no state, and a model cut short.
    half = folder / "checkpoint-6"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"\x00" * 10)
    listener = Listener()
    resumed = train("film", "vqa", options=options, output=output, resume=True, progress=listener)
    assert listener.done[0] == 4
    assert resumed.history == undisturbed.history
    assert beside(output) == ["film.curves.svg", "film.history.jsonl", "film.safetensors"]
    for name in beside(output):
        assert (output.parent / name).read_bytes() == (undisturbed.path.parent / name).read_bytes()


@pytest.mark.parametrize(("optimizer", "schedule"), [("sgd", "cosine"), ("rmsprop", "one-cycle"), ("adam", "linear")])
def test_resume_goes_on_with_optimizer_and_schedule(tmp_path, tiny, optimizer, schedule):
    options = dataclasses.replace(SMALL, optimizer=optimizer, schedule=schedule)
    whole = train("text-only", tiny, options=options, output=tmp_path / "whole.safetensors")
    output = tmp_path / "model.safetensors"
    interrupted(output, options, 8)
    resumed = train("text-only", tiny, options=options, output=output, resume=True)
    assert resumed.path.read_bytes() == whole.path.read_bytes()
    history = output.with_suffix(".history.jsonl").read_text()
    assert history == whole.path.with_suffix(".history.jsonl").read_text()
    assert [json.loads(line)["number"] for line in history.splitlines()] == [1, 2, 3, 4]


@pytest.mark.parametrize("patience", [None, 1])
def test_interrupted_between_the_last_checkpoint_and_the_weights(tmp_path, tiny, monkeypatch, patience):
    """The last moment for a kill: nothing is left to learn, not even where training was stopped early."""
    options = dataclasses.replace(SMALL, patience=patience, learning_rate=1e-9)
    whole = train("text-only", tiny, options=options, output=tmp_path / "whole.safetensors")
    assert len(whole.history) == (4 if patience is None else 2)
    output = tmp_path / "model.safetensors"

    def killed(*_, **__):
        raise HarnessError("no space")

    with monkeypatch.context() as patch:
        patch.setattr("mmbench.engine.trained.save_weights", killed)
        with pytest.raises(HarnessError, match="no space"):
            train("text-only", tiny, options=options, output=output)
    assert not output.exists()
    resumed = train("text-only", tiny, options=options, output=output, resume=True)
    assert resumed.history == whole.history
    assert output.read_bytes() == whole.path.read_bytes()


def test_resume_from_another_working_directory_finds_the_best_epoch(tmp_path, tiny, monkeypatch):
    """The state of a checkpoint names the best one, which a path relative to elsewhere would miss."""
    options = dataclasses.replace(SMALL, learning_rate=1e-9)  # so that the first epoch stays the best
    whole = train("text-only", tiny, options=options, output=tmp_path / "whole.safetensors")
    assert whole.best.number == 1
    monkeypatch.chdir(tmp_path)
    interrupted(Path("model.safetensors"), options, 8)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    train("text-only", tiny, options=options, output=Path("../model.safetensors"), resume=True)
    assert (tmp_path / "model.safetensors").read_bytes() == whole.path.read_bytes()


def test_checkpoint_of_the_best_epoch_that_is_gone_is_an_error(tmp_path, tiny):
    options = dataclasses.replace(SMALL, learning_rate=1e-9)
    output = tmp_path / "model.safetensors"
    interrupted(output, options, 8)
    shutil.rmtree(tmp_path / ".model.training" / "checkpoint-3")
    with pytest.raises(HarnessError, match=r"the checkpoint of the best epoch is no longer in .*start over without"):
        train("text-only", tiny, options=options, output=output, resume=True)
    assert not output.exists()


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("text-only", {"learning_rate": 1e-3}),
        ("text-only", {"weight_decay": 0.2}),
        ("text-only", {"epochs": 5}),
        ("concat", {}),
    ],
)
def test_resume_refuses_another_model_or_other_options(tmp_path, tiny, model, options):
    output = tmp_path / "model.safetensors"
    interrupted(output, SMALL, 5)
    other = dataclasses.replace(SMALL, **options)
    with pytest.raises(UsageError, match=r"holds an interrupted run .*other options; give those, or leave out"):
        train(model, tiny, options=other, output=output, resume=True)
    assert beside(output) == [".model.training"]
    train("text-only", tiny, options=SMALL, output=output, resume=True)


def test_resume_refuses_the_checkpoints_of_other_data(tmp_path, monkeypatch):
    """The same files under another revision: what was learned so far was learned from something else."""
    few = dataclasses.replace(SMALL, limit=150)
    output = tmp_path / "model.safetensors"
    interrupted(output, few, 5, "vqa")
    changed = easy_vqa.model_copy(update={"revision": "2.0"})
    monkeypatch.setattr("mmbench.engine.train_source.resolve_dataset", lambda task, name, data: changed)
    with pytest.raises(UsageError, match="interrupted run of another model, on other data or with other options"):
        train("text-only", "vqa", options=few, output=output, resume=True)


def test_loader_processes_and_trackers_may_differ(tmp_path, tiny):
    whole = train("text-only", tiny, options=SMALL, output=tmp_path / "whole" / "model.safetensors")
    output = tmp_path / "model.safetensors"
    interrupted(output, SMALL, 5)
    other = dataclasses.replace(SMALL, workers=1, log_to=("tensorboard",))
    resumed = train("text-only", tiny, options=other, output=output, resume=True)
    assert resumed.history == whole.history


def test_how_weights_are_stored_may_differ(tmp_path, tiny, monkeypatch):
    """What is too large for float16 shows only when all is learned."""
    whole = train("text-only", tiny, options=SMALL, output=tmp_path / "whole" / "model.safetensors")
    output = tmp_path / "model.safetensors"

    def too_large(*_, **__):
        raise HarnessError("too large for float16")

    half = dataclasses.replace(SMALL, store="float16")
    with monkeypatch.context() as patch:
        patch.setattr("mmbench.engine.trained.save_weights", too_large)
        with pytest.raises(HarnessError, match="too large"):
            train("text-only", tiny, options=half, output=output)
    train("text-only", tiny, options=SMALL, output=output, resume=True)
    assert output.read_bytes() == whole.path.read_bytes()


def test_resume_refuses_encoders_that_start_from_other_weights(tmp_path, tiny):
    """A file of the same name that was written anew."""
    start, output = tmp_path / "start" / "start.safetensors", tmp_path / "model.safetensors"
    build = BuildOptions(encoders={"text": f"from:{start}"})
    for seed, resume in ((0, False), (1, True)):
        train("text-only", tiny, options=dataclasses.replace(SMALL, epochs=1, seed=seed), output=start)
        with pytest.raises(UsageError if resume else KeyboardInterrupt):
            train("text-only", tiny, build=build, options=SMALL, output=output, resume=resume, progress=Listener(5))
    assert beside(output) == [".model.training", "start"]


def test_second_training_leaves_the_checkpoints_of_the_first_alone(tmp_path, tiny):
    whole = train("text-only", tiny, options=SMALL, output=tmp_path / "whole" / "model.safetensors")
    output = tmp_path / "model.safetensors"

    class Second(Listener):
        """Starts another training in the middle of this one."""

        def step(self, done, total):
            super().step(done, total)
            if done == 8:
                for resume in (False, True):
                    with pytest.raises(
                        UsageError, match=r"another training writes to .* \(it holds \.model\.training\)"
                    ):
                        train("text-only", tiny, options=SMALL, output=output, resume=resume)
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("text-only", tiny, options=SMALL, output=output, progress=Second())
    assert sorted(path.name for path in (tmp_path / ".model.training").iterdir()) == [
        "checkpoint-3",
        "checkpoint-6",
        "options.json",
    ]
    resumed = train("text-only", tiny, options=SMALL, output=output, resume=True)
    assert resumed.path.read_bytes() == whole.path.read_bytes()


def test_user_is_told_what_becomes_of_an_interrupted_run(tmp_path, tiny):
    output = tmp_path / "model.safetensors"
    nothing, over = Listener(), Listener()
    train("text-only", tiny, options=SMALL, output=output, resume=True, progress=nothing)
    assert nothing.done == list(range(1, 13))
    assert nothing.notes[0].startswith("nothing to resume: no interrupted training is here; starting from the begin")
    interrupted(output, SMALL, 5)
    train("text-only", tiny, options=SMALL, output=output, progress=over)
    assert over.done == list(range(1, 13))
    assert over.notes[0] == "an interrupted training is started over; --resume would have gone on with it"
    assert beside(output) == ["model.curves.svg", "model.history.jsonl", "model.safetensors"]


def test_interrupted_in_the_first_epoch_leaves_nothing(tmp_path, tiny):
    interrupted(tmp_path / "model.safetensors", SMALL, 2)
    assert list(tmp_path.iterdir()) == []
