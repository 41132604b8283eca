"""Training that cannot be: refused with what was wrong, and nothing half-written."""

import dataclasses

import pytest
import torch
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA
from torch import nn

from mmbench.data.split import split_by_group
from mmbench.engine.options import TrainOptions
from mmbench.engine.train import train
from mmbench.errors import HarnessError, UsageError
from mmbench.model import Batch
from mmbench.registry import registry
from mmbench.sample import Subset

TINY = TrainOptions(epochs=3, batch_size=128, limit=400, workers=0)


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


def test_loss_that_is_not_finite_names_the_learning_rate(tmp_path):
    options = dataclasses.replace(TINY, learning_rate=1e30)
    with pytest.raises(HarnessError, match=r"the loss became (nan|inf) at step \d+: lower --learning-rate"):
        train("concat", "vqa", options=options, output=tmp_path / "concat.safetensors")
    assert not (tmp_path / "concat.safetensors").exists()


def test_too_few_samples_are_refused(tmp_path):
    with pytest.raises(UsageError, match="gives 1 training and 0 validation samples, and both need at least one"):
        train("concat", "vqa", options=TrainOptions(limit=1, workers=0), output=tmp_path / "concat.safetensors")


class Untrainable:
    """Classifies, and learns nothing."""

    modalities = ("text",)
    labels = ("yes", "no")

    def __init__(self, name):
        self.name = name

    @classmethod
    def create(cls, name, modalities, samples):
        return cls(name)

    def collate(self, samples):
        return Batch(len(samples), {}, {})

    def classify(self, batch):
        return torch.zeros(batch.size, 2)


class Embedder(Untrainable):
    """Cannot do what the task asks."""

    classify = None  # type: ignore[assignment]
    embed = Untrainable.collate

    def __getattribute__(self, name):
        if name in {"classify", "labels"}:
            raise AttributeError(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Untrainable, r"model 'test-other' cannot be trained: it has neither loss\(batch\) nor fit\(samples\)"),
        (Embedder, "task 'vqa' needs a model that can classify or generate; 'test-other' can embed"),
    ],
)
def test_model_that_cannot_be_trained_is_refused(register, tmp_path, model, message):
    register("model", "test-other", model)
    with pytest.raises(UsageError, match=message):
        train("test-other", "vqa", options=TINY, output=tmp_path / "other.safetensors")
    assert list(tmp_path.iterdir()) == []


class Unstored(Untrainable, nn.Module):
    """Trains, and does not say how to build it again."""

    def __init__(self, name):
        nn.Module.__init__(self)
        self.name = name
        self.weight = nn.Parameter(torch.zeros(1))

    def loss(self, batch):
        return self.weight.square().sum()


def test_model_that_cannot_be_stored_is_refused(register, tmp_path):
    register("model", "test-unstored", Unstored)
    with pytest.raises(UsageError, match="cannot be stored"):
        train("test-unstored", "vqa", options=TINY, output=tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("broken", ["training", "validation"])
def test_sample_that_cannot_be_read_stops_with_its_reason(register, tmp_path, broken, workers):
    class Broken(VQA):
        """VQA with a corrupt image on one side of the split."""

        card = dataclasses.replace(VQA.card, name="test-broken", datasets=("test-broken",))

        def load(self, dataset, split):
            samples = super().load(dataset, split)
            parts = split_by_group(Subset(samples, range(400)))
            index = parts[broken == "validation"].indices[0]
            inputs = {**samples[index].inputs, "image": tmp_path / "corrupt.png"}
            changed = dataclasses.replace(samples[index], inputs=inputs)
            return [changed if number == index else samples[number] for number in range(400)]

    (tmp_path / "corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    register("task", "test-broken", Broken)
    register("dataset", "test-broken", easy_vqa.model_copy(update={"name": "test-broken", "tasks": ("test-broken",)}))
    options = dataclasses.replace(TINY, workers=workers)
    with pytest.raises(HarnessError, match=r"corrupt\.png") as caught:
        train("concat", "test-broken", options=options, output=tmp_path / "concat.safetensors")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "concat.safetensors").exists()


def test_output_folder_that_cannot_be_made_is_refused_first(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match=r"cannot write weights to .*file"):
        train("concat", "vqa", options=TINY, output=tmp_path / "file" / "concat.safetensors")


def test_earlier_weights_survive_a_run_that_fails(tmp_path):
    output = tmp_path / "film.safetensors"
    output.write_bytes(b"earlier weights")
    with pytest.raises(HarnessError):
        train("film", "vqa", options=dataclasses.replace(TINY, learning_rate=1e30), output=output)
    assert output.read_bytes() == b"earlier weights"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "--limit must be at least 1, not 0"),
        ({"batch_size": -1}, "--batch-size must be at least 1, not -1"),
        ({"epochs": 0}, "--epochs must be at least 1, not 0"),
        ({"seed": -1}, "--seed must be at least 0, not -1"),
        ({"validation": 1.0}, "--validation must lie between 0 and 1, not 1.0"),
        ({"learning_rate": 0.0}, "--learning-rate must be more than 0, not 0.0"),
        ({"learning_rate": float("nan")}, "--learning-rate must be more than 0, not nan"),
        ({"weight_decay": float("nan")}, "--weight-decay must be at least 0, not nan"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(UsageError) as caught:
        TrainOptions(**options)
    assert str(caught.value) == message
