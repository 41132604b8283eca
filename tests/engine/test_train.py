"""Training: validation by group, the best epoch kept, the same for the same seed, resumable after a kill."""

import dataclasses
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA
from torch import nn
from torch.nn import functional as F

from mmbench.checkpoint import read_weights
from mmbench.data.split import split_by_group
from mmbench.engine.models import load_model, weights_path
from mmbench.engine.options import TrainOptions
from mmbench.engine.progress import TrainProgress
from mmbench.engine.resolve import resolve_metrics
from mmbench.engine.train import train
from mmbench.engine.validation import Validation
from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.registry import registry
from mmbench.sample import Subset

TINY = TrainOptions(epochs=3, batch_size=128, limit=400, workers=0)
"""Three epochs of four steps."""

UNTIL = """
import os, signal, sys
from pathlib import Path
from mmbench.engine.options import TrainOptions
from mmbench.engine.progress import TrainProgress
from mmbench.engine.train import train

class Killer(TrainProgress):
    def step(self, done, total):
        if done == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

options = TrainOptions(epochs=3, batch_size=128, limit=400, workers=0)
train("film", "vqa", options=options, output=Path(sys.argv[1]), progress=Killer())
"""
"""A process of its own that trains as `TINY` says and is killed at a step."""


def run_until(step, output):
    return subprocess.run([sys.executable, "-c", UNTIL, output, str(step)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A training run that nothing disturbed."""
    return train("film", "vqa", options=TINY, output=tmp_path_factory.mktemp("film") / "film.safetensors")


class Scripted(nn.Module):
    """Answers rightly after the numbers of steps in `right`, and keeps what it was shown."""

    modalities = ("text",)
    right: frozenset[int] = frozenset()

    def __init__(self, name, labels):
        super().__init__()
        self.name = name
        self.labels = tuple(labels)
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.shown = defaultdict(set)

    @classmethod
    def create(cls, name, modalities, samples):
        made = cls(name, sorted({samples[index].target for index in range(len(samples))}))
        cls.last = made
        return made

    def stored_config(self):
        return {"labels": list(self.labels)}

    def collate(self, samples):
        self.shown["training" if self.training else "validation"] |= {(s.id, s.group) for s in samples}
        index = {label: number for number, label in enumerate(self.labels)}
        return Batch(len(samples), {}, {}, torch.tensor([index.get(s.target, 0) for s in samples]))

    def classify(self, batch):
        shift = 0 if int(self.steps) in self.right else 1
        return F.one_hot((batch.targets + shift) % len(self.labels), len(self.labels)).float()

    def loss(self, batch):
        self.steps += 1
        return (self.weight - 1.0).square().sum()


class Guarded(VQA):
    """VQA whose data set opens its training split alone."""

    card = dataclasses.replace(VQA.card, name="test-guarded", datasets=("test-guarded",))
    opened: list[str]

    def load(self, dataset, split):
        self.opened.append(split)
        if split != dataset.train_split:
            raise AssertionError(f"training opened split {split}")
        return super().load(dataset, split)


@pytest.fixture
def register():
    """Register for one test."""
    added = []

    def add(kind, name, thing):
        registry.register(kind, name)(thing)
        added.append((kind, name))

    yield add
    for kind, name in added:
        registry.unregister(kind, name)


@pytest.fixture
def scripted(register, tmp_path):
    """Train a `Scripted` model: one step an epoch, so that steps are epochs."""

    def run(right=(), **options):
        model = type("Model", (Scripted,), {"right": frozenset(right)})
        registry.unregister("model", "test-scripted")
        register("model", "test-scripted", model)
        chosen = TrainOptions(**{"batch_size": 10_000, "limit": 300, "workers": 0, "epochs": 8} | options)
        return train("test-scripted", "vqa", options=chosen, output=tmp_path / "scripted.safetensors"), model.last

    return run


def test_same_seed_gives_the_same_bytes_and_another_does_not(film, tmp_path):
    again = train("film", "vqa", options=TINY, output=tmp_path / "again.safetensors")
    other = train("film", "vqa", options=dataclasses.replace(TINY, seed=1), output=tmp_path / "other.safetensors")
    assert again.path.read_bytes() == film.path.read_bytes()
    assert again.history == film.history
    (_, one), (_, two) = read_weights(film.path), read_weights(other.path)
    assert not torch.equal(one["heads.fused.output.weight"], two["heads.fused.output.weight"])


def test_killed_in_the_middle_and_resumed_gives_the_same_bytes(film, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "files", [])  # as in the process that is killed
    output = tmp_path / "film.safetensors"
    folder = tmp_path / ".film.training"
    assert run_until(6, output).returncode == -signal.SIGKILL
    assert not output.exists()
    whole = [path.name for path in folder.glob("checkpoint-*")]
    assert whole == ["checkpoint-4"]
    # What a kill while a checkpoint is being written leaves: no state, and a model cut short.
    half = folder / "checkpoint-8"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"\x00" * 10)
    steps = Steps()
    resumed = train("film", "vqa", options=TINY, output=output, resume=True, progress=steps)
    assert steps.done[0] == 5
    assert output.read_bytes() == film.path.read_bytes()
    assert resumed.history == film.history
    assert resumed.best == film.best
    assert not folder.exists()


class Steps(TrainProgress):
    """Keeps what it is told, and stops a run if asked to."""

    def __init__(self, stop_at=0):
        self.stop_at = stop_at
        self.done = []
        self.epochs = []

    def step(self, done, total):
        self.done.append(done)
        self.total = total
        if done == self.stop_at:
            raise KeyboardInterrupt

    def epoch(self, epoch):
        self.epochs.append(epoch)


def test_resume_refuses_other_options_and_a_new_run_starts_over(film, tmp_path):
    output = tmp_path / "film.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train("film", "vqa", options=TINY, output=output, progress=Steps(stop_at=6))
    other = dataclasses.replace(TINY, learning_rate=1e-3)
    with pytest.raises(UsageError, match=r"holds an interrupted run .*other options; give those, or leave out"):
        train("film", "vqa", options=other, output=output, resume=True)
    assert not output.exists()
    steps = Steps()
    train("film", "vqa", options=TINY, output=output, progress=steps)
    assert steps.done == list(range(1, 13))
    assert output.read_bytes() == film.path.read_bytes()


def test_resume_refuses_the_checkpoints_of_other_data(tmp_path, monkeypatch):
    """The same files under another revision: what was learned so far was learned from something else."""
    output = tmp_path / "film.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train("film", "vqa", options=TINY, output=output, progress=Steps(stop_at=6))
    changed = easy_vqa.model_copy(update={"revision": "2.0"})
    monkeypatch.setattr("mmbench.engine.train.resolve_dataset", lambda task, name, data: changed)
    with pytest.raises(UsageError, match="interrupted run of another model, on other data or with other options"):
        train("film", "vqa", options=TINY, output=output, resume=True)


def test_resume_refuses_the_checkpoints_of_another_model(tmp_path):
    output = tmp_path / "mine.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train("film", "vqa", options=TINY, output=output, progress=Steps(stop_at=6))
    with pytest.raises(UsageError, match="holds an interrupted run"):
        train("concat", "vqa", options=TINY, output=output, resume=True)
    assert not output.exists()


def test_resume_with_nothing_to_resume_starts(film, tmp_path):
    resumed = train("film", "vqa", options=TINY, output=tmp_path / "film.safetensors", resume=True)
    assert resumed.path.read_bytes() == film.path.read_bytes()


def test_progress_is_told_of_every_step_and_epoch(tmp_path):
    steps = Steps()
    trained = train("concat", "vqa", options=TINY, output=tmp_path / "concat.safetensors", progress=steps)
    assert steps.done == list(range(1, 13))
    assert steps.total == 12
    assert [epoch.number for epoch in steps.epochs] == [1, 2, 3]
    assert [epoch.metrics for epoch in steps.epochs] == [epoch.metrics for epoch in trained.history]


def test_stored_weights_are_those_of_the_best_epoch(film):
    loaded = load_model("film", "vqa", "easy-vqa", film.path)
    task = VQA()
    _, held_out = split_by_group(Subset(task.load(easy_vqa, "train"), range(400)), TINY.validation)
    model = loaded.model.eval()
    assert Validation(task, resolve_metrics(task, easy_vqa, (), {}), held_out, TINY)(model) == film.best.metrics
    assert film.best.metrics["accuracy"] == max(epoch.metrics["accuracy"] for epoch in film.history)
    assert loaded.training["validation"] == film.best.metrics
    assert loaded.training["samples"]["validation"] == len(held_out)


@pytest.mark.parametrize(
    ("right", "best", "epochs"),
    [({2}, 2, 4), ({2, 3}, 2, 4), ({1}, 1, 3), ({1, 5}, 1, 3), ({3}, 3, 5), (set(), 1, 3)],
    ids=["peak", "tie", "first", "too late", "late", "never"],
)
def test_early_stopping_keeps_the_best_epoch(scripted, right, best, epochs):
    """The earlier of equals wins; two epochs without a better one end the training."""
    trained, model = scripted(right, patience=2)
    assert (trained.best.number, trained.history[-1].number) == (best, epochs)
    assert [epoch.number for epoch in trained.history if epoch.is_best] == [trained.best.number]
    _, tensors = read_weights(trained.path)
    assert int(tensors["steps"]) == trained.best.number
    assert int(model.steps) == trained.best.number


def test_validation_part_is_by_group_and_the_same_for_every_seed_and_length(scripted):
    shown = {}
    for key, options in {"short": {"limit": 300}, "seed": {"limit": 300, "seed": 7}, "long": {"limit": 600}}.items():
        _, model = scripted(epochs=1, **options)
        shown[key] = model.shown
    for sides in shown.values():
        training, validation = sides["training"], sides["validation"]
        assert training
        assert validation
        assert not {group for _, group in training} & {group for _, group in validation}
    assert shown["short"] == shown["seed"]
    assert len(shown["long"]["training"]) + len(shown["long"]["validation"]) == 600
    for side in ("training", "validation"):
        assert shown["short"][side] < shown["long"][side]


@pytest.mark.parametrize("model", ["concat", "question-prior"])
def test_no_other_split_is_opened(register, tmp_path, monkeypatch, model):
    monkeypatch.setattr(Guarded, "opened", [], raising=False)
    card = easy_vqa.model_copy(update={"name": "test-guarded", "tasks": ("test-guarded",)})
    register("task", "test-guarded", Guarded)
    register("dataset", "test-guarded", card)
    options = dataclasses.replace(TINY, epochs=1)
    trained = train(model, "test-guarded", options=options, output=tmp_path / "guarded.safetensors")
    assert trained.path.is_file()
    assert Guarded.opened == ["train"]


def test_floor_counts_the_whole_split_after_validation(tmp_path):
    trained = train("majority", "vqa", options=TrainOptions(limit=400), output=tmp_path / "majority.safetensors")
    samples = VQA().load(easy_vqa, "train")
    targets = [samples[index].target for index in range(400)]
    header, tensors = read_weights(trained.path)
    expected = torch.tensor([targets.count(label) / 400 for label in header.config["labels"]])
    torch.testing.assert_close(tensors["log_prior"].exp(), expected)
    assert header.training["epoch"] == 1


def test_header_says_how_the_weights_came_about(film):
    header, _ = read_weights(film.path)
    assert header.model == "film"
    assert header.training["task"] == "vqa"
    assert header.training["dataset"] == {"name": "easy-vqa", "revision": "1.0", "split": "train"}
    assert header.training["options"] == dataclasses.asdict(TINY)
    assert header.training["epoch"] == film.best.number
    assert film.parameters == sum(
        p.numel() for p in load_model("film", "vqa", "easy-vqa", film.path).model.parameters()
    )


def test_default_output_is_where_evaluation_looks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = train("majority", "vqa", options=TINY)
    assert trained.path == weights_path(Path("weights"), "vqa", "easy-vqa", "majority")
    assert load_model("majority", "vqa", "easy-vqa").source == trained.path.as_posix()
