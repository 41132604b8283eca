"""Training: validation by group, the best epoch kept, the same for the same seed."""

import dataclasses
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmbench.checkpoint import read_weights
from mmbench.data.split import split_by_group
from mmbench.engine.models import load_model, weights_path
from mmbench.engine.progress import TrainProgress
from mmbench.engine.resolve import resolve_metrics
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions
from mmbench.engine.validation import Validation
from mmbench.metrics.accuracy import Accuracy
from mmbench.model import Batch, BuildOptions
from mmbench.registry import registry
from mmbench.sample import Sample, Subset
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

TINY = TrainOptions(epochs=3, batch_size=128, limit=400, workers=0)
"""Three epochs of four steps."""


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
def scripted(register, tmp_path):
    """Train a `Scripted` model: one step an epoch, so that steps are epochs."""

    def run(right=(), **options):
        model = type("Model", (Scripted,), {"right": frozenset(right)})
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


class Steps(TrainProgress):
    """Keeps what it is told."""

    def __init__(self):
        self.done = []
        self.epochs = []

    def step(self, done, total):
        self.done.append(done)
        self.total = total

    def epoch(self, epoch):
        self.epochs.append(epoch)


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
    validation = Validation(task, resolve_metrics(task, easy_vqa, (), {}), held_out, 64, 0, "cpu")
    assert validation(model) == film.best.metrics
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


@pytest.mark.parametrize("right", [{2}, set()], ids=["another was better", "none was"])
def test_the_last_epoch_is_kept_where_that_is_asked_for(scripted, right):
    trained, model = scripted(right, epochs=4, keep="last")
    assert [epoch.number for epoch in trained.history if epoch.is_best] == [4]
    _, tensors = read_weights(trained.path)
    assert int(tensors["steps"]) == int(model.steps) == 4


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


@pytest.mark.parametrize(
    ("model", "options"),
    [("concat", dataclasses.replace(TINY, epochs=1)), ("question-prior", TrainOptions(limit=400, workers=0))],
)
def test_no_other_split_is_opened(register, tmp_path, monkeypatch, model, options):
    monkeypatch.setattr(Guarded, "opened", [], raising=False)
    card = easy_vqa.model_copy(update={"name": "test-guarded", "tasks": ("test-guarded",)})
    register("task", "test-guarded", Guarded)
    register("dataset", "test-guarded", card)
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
    stored = header.training["options"]
    assert stored == {**dataclasses.asdict(TINY), "warmup": 0.3, "log_to": []}
    assert header.training["epoch"] == film.best.number
    assert header.training["processes"] == 1
    assert film.config == header.config
    assert film.parameters == sum(
        p.numel() for p in load_model("film", "vqa", "easy-vqa", film.path).model.parameters()
    )


def test_options_in_the_header_leave_no_default_open(tmp_path, tiny):
    options = TrainOptions(limit=150, workers=0, schedule="cosine", epochs=1)
    trained = train("text-only", tiny, options=options, output=tmp_path / "model.safetensors")
    header, _ = read_weights(trained.path)
    stored = header.training["options"]
    assert (stored["batch_size"], stored["epochs"], stored["warmup"], stored["device"]) == (16, 1, 0.05, "cpu")
    assert [name for name, value in stored.items() if value is None] == ["patience"]
    assert dataclasses.asdict(trained.options) == {**stored, "log_to": ()}


@pytest.mark.parametrize(("metric", "floor"), [("accuracy", 0.25), ("nll", None), ("image_to_text_map", None)])
def test_constant_answer_has_a_value_where_an_answer_is_enough(metric, floor):
    samples = [Sample(str(number), {}, target=str(number)) for number in range(4)]
    chosen = {metric: registry.load("metric", metric)()}
    assert Validation(VQA(), chosen, samples, 4, 0, "cpu").constant("2") == floor


def test_constant_answer_does_not_hide_a_metric_that_is_broken():
    class Broken(Accuracy):
        """Divides by nothing."""

        def row(self, prediction, sample):
            return (1 // 0,)

    samples = [Sample("1", {}, target="yes")]
    with pytest.raises(ZeroDivisionError):
        Validation(VQA(), {"accuracy": Broken()}, samples, 1, 0, "cpu").constant("yes")


@pytest.mark.parametrize("store", ["float16", "bfloat16"])
def test_weights_are_stored_as_asked(tmp_path, tiny, store):
    options = TrainOptions(limit=150, workers=0, epochs=1, store=store)
    trained = train("text-only", tiny, options=options, output=tmp_path / "model.safetensors")
    _, tensors = read_weights(trained.path)
    assert {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()} == {getattr(torch, store)}
    loaded = load_model("text-only", tiny, "easy-vqa", trained.path)
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}


def test_workers_do_not_change_the_weights(tmp_path, tiny):
    """Dropout among them, whose random state the loader must not touch."""
    build = BuildOptions(encoders={"text": "bert,layers=1"})
    paths = []
    for workers in (0, 1):
        options = TrainOptions(limit=150, workers=workers, epochs=2)
        output = tmp_path / f"{workers}.safetensors"
        paths.append(train("text-only", tiny, build=build, options=options, output=output).path)
    (_, none), (_, one) = map(read_weights, paths)
    assert none.keys() == one.keys()
    assert all(torch.equal(none[name], one[name]) for name in none)


def test_epoch_of_any_size_learns_with_batch_norm_over_one_pixel(tmp_path):
    """Maps of 1 x 1: a batch of one sample has one value a channel, and no variance."""
    build = BuildOptions(encoders={"image": "cnn,size=16"})
    for limit in (100, 101, 102):
        options = TrainOptions(limit=limit, workers=0, epochs=1, batch_size=8)
        trained = train("image-only", "vqa", build=build, options=options, output=tmp_path / "model.safetensors")
        assert trained.history[0].loss is not None


def test_default_output_is_where_evaluation_looks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = train("majority", "vqa", options=TrainOptions(limit=400, workers=0))
    assert trained.path == weights_path(Path("weights"), "vqa", "easy-vqa", "majority")
    assert load_model("majority", "vqa", "easy-vqa").source == trained.path.as_posix()
