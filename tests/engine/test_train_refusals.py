"""Training that cannot be: refused with what was wrong, and nothing half-written."""

import dataclasses
import json

import pytest
import torch
from torch import nn

from mmbench.checkpoint import read_weights
from mmbench.data.split import split_by_group
from mmbench.encoder import Encoder
from mmbench.engine.models import load_model
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import HarnessError, UsageError
from mmbench.metrics.accuracy import Accuracy
from mmbench.model import Batch, BuildOptions
from mmbench.sample import Subset
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

TINY = TrainOptions(epochs=3, batch_size=128, limit=400, workers=0)
COUNTS = TrainOptions(limit=400, workers=0)
"""For models that count."""

COURSES = {"text-only": TINY, "majority": COUNTS}


def test_loss_that_is_not_finite_names_the_learning_rate(tmp_path):
    options = dataclasses.replace(TINY, learning_rate=1e30)
    with pytest.raises(HarnessError, match=r"the loss became (nan|inf) at step \d+: lower --learning-rate"):
        train("concat", "vqa", options=options, output=tmp_path / "concat.safetensors")
    assert list(tmp_path.iterdir()) == []


class Exploding(nn.Module):
    """Learns well for some steps, then its loss or its answers are no numbers."""

    modalities = ("text",)
    steps, logit = 5, 0.0

    def __init__(self, name, labels):
        super().__init__()
        self.name, self.labels, self.done = name, labels, 0
        self.weight = nn.Parameter(torch.zeros(1))

    @classmethod
    def create(cls, name, modalities, samples):
        return cls(name, ("no", "yes"))

    def stored_config(self):
        return {}

    def collate(self, samples):
        return Batch(len(samples), {}, {})

    def classify(self, batch):
        return torch.full((batch.size, 2), self.logit)

    def loss(self, batch):
        self.done += 1
        return (self.weight - 1).square().sum() / (0 if self.done > self.steps else 1)


def test_loss_that_explodes_after_an_epoch_leaves_no_checkpoint(register, tmp_path):
    """There is nothing that a resume could do better."""
    register("model", "test-exploding", Exploding)
    with pytest.raises(HarnessError, match="the loss became inf at step 6: lower --learning-rate"):
        train("test-exploding", "vqa", options=TINY, output=tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_answers_that_are_no_numbers_are_the_models_fault(register, tmp_path):
    register("model", "test-exploding", type("Silent", (Exploding,), {"logit": float("nan")}))
    with pytest.raises(
        HarnessError, match=r"fails on validation samples train/\d+, .*: ValueError: the model gave NaN"
    ):
        train("test-exploding", "vqa", options=TINY, output=tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


class Undefined(Accuracy):
    """Not defined on any sample."""

    name = "test-undefined"

    def value(self, sums):
        return super().value(sums) * float("nan")


@pytest.fixture
def undefined(register):
    """VQA with a metric that is not defined, as the main one or after accuracy."""

    def make(*metrics):
        card = dataclasses.replace(VQA.card, name="test-undefined", datasets=("test-undefined",), metrics=metrics)
        register("metric", "test-undefined", Undefined)
        register("task", "test-undefined", type("Task", (VQA,), {"card": card}))
        data = easy_vqa.model_copy(update={"name": "test-undefined", "tasks": ("test-undefined",), "metrics": ()})
        register("dataset", "test-undefined", data)

    return make


@pytest.mark.parametrize("model", ["text-only", "majority"])
def test_main_metric_that_is_not_defined_is_refused(undefined, tmp_path, model):
    undefined("test-undefined", "accuracy")
    with pytest.raises(HarnessError, match=r"test-undefined is nan on the \d+ validation samples, so that no"):
        train(model, "test-undefined", options=COURSES[model], output=tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["text-only", "majority"])
def test_other_metric_that_is_not_defined_is_nothing(undefined, tmp_path, model):
    undefined("accuracy", "test-undefined")
    trained = train(model, "test-undefined", options=COURSES[model], output=tmp_path / "model.safetensors")
    assert [epoch.metrics["test-undefined"] for epoch in trained.history] == [None] * len(trained.history)
    header, _ = read_weights(trained.path)
    assert header.training["validation"] == trained.best.metrics
    json.dumps(header.training, allow_nan=False)


class Normalised(Encoder):
    """Batch norm over the samples themselves, which one sample does not allow."""

    modality = "text"

    def __init__(self, width):
        super().__init__(width)
        self.norm = nn.BatchNorm1d(width)

    def prepare(self, values):
        return torch.tensor([float(len(value)) for value in values]), torch.ones(len(values), dtype=torch.bool)

    def forward(self, inputs, mask):
        return self.norm(inputs.unsqueeze(1).expand(-1, self.width)).unsqueeze(1), mask.unsqueeze(1)


def test_step_of_one_sample_is_told_where_a_model_cannot_learn_from_it(register, tmp_path):
    register("encoder", "test-normalised", Normalised)
    build = BuildOptions(encoders={"text": "test-normalised"})
    options = TrainOptions(limit=60, workers=0, epochs=1, batch_size=1)
    with pytest.raises(HarnessError, match=r"cannot learn from a step of one sample \(Expected more .*\): raise"):
        train("text-only", "vqa", build=build, options=options, output=tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_task_that_teaches_nothing_is_refused(register, tmp_path):
    class Mute(VQA):
        """Nothing to learn from what it has."""

        card = dataclasses.replace(VQA.card, name="test-mute", datasets=("test-mute",))

        def training(self, samples):
            return []

    register("task", "test-mute", Mute)
    register("dataset", "test-mute", easy_vqa.model_copy(update={"name": "test-mute", "tasks": ("test-mute",)}))
    with pytest.raises(UsageError, match=r"test-mute/test-mute: nothing can be learned from its \d+ samples"):
        train("text-only", "test-mute", options=TINY, output=tmp_path / "model.safetensors")


@pytest.mark.parametrize("count", [0, 1])
def test_split_without_enough_samples_is_refused(register, tmp_path, count):
    class Few(VQA):
        """Hardly a sample."""

        card = dataclasses.replace(VQA.card, name="test-few", datasets=("test-few",))

        def load(self, dataset, split):
            return Subset(super().load(dataset, split), range(count))

    register("task", "test-few", Few)
    register("dataset", "test-few", easy_vqa.model_copy(update={"name": "test-few", "tasks": ("test-few",)}))
    expected = (
        "test-few train gives 1 training and 0 validation samples, and both need at least one: raise --limit or raise"
    )
    expected = expected if count else "test-few train has no samples"
    with pytest.raises(UsageError, match=expected):
        train("text-only", "test-few", options=TINY, output=tmp_path / "model.safetensors")


def test_data_set_without_training_split_is_refused(register, tmp_path):
    card = easy_vqa.model_copy(update={"name": "test-only", "train_split": None})
    register("dataset", "test-only", card)
    with pytest.raises(UsageError, match="data set 'test-only' has no training split"):
        train("text-only", "vqa", dataset="test-only", options=TINY, output=tmp_path / "model.safetensors")


def test_weights_of_another_fusion_are_refused(tmp_path):
    options = dataclasses.replace(TINY, epochs=1, limit=150)
    trained = train("concat", "vqa", options=options, output=tmp_path / "model.safetensors")
    with pytest.raises(UsageError, match="holds weights of model 'concat', not of 'sum'"):
        load_model("sum", "vqa", "easy-vqa", trained.path)


@pytest.mark.parametrize(
    ("model", "task", "options", "build", "message"),
    [
        (
            "dual-encoder",
            "retrieval",
            {"modality_dropout": 0.1},
            {},
            "learns from pairs, and half of one teaches nothing",
        ),
        (
            "image-only",
            "vqa",
            {},
            {"representation": "joint"},
            "reads image alone; a joint representation is of several",
        ),
        ("film", "vqa", {}, {"options": ("layers=3",)}, "fusion 'film' has no options, so none 'layers'"),
    ],
)
def test_what_would_change_nothing_is_refused(tmp_path, model, task, options, build, message):
    options = dataclasses.replace(TINY, limit=60, **options)
    with pytest.raises(UsageError, match=message):
        train(model, task, options=options, build=BuildOptions(**build), output=tmp_path / "model.safetensors")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_too_much_validation_is_refused(tmp_path):
    options = TrainOptions(limit=5, validation=0.99, workers=0)
    with pytest.raises(
        UsageError, match=r"gives 0 training and 5 validation samples, .* raise --limit or lower --valid"
    ):
        train("concat", "vqa", options=options, output=tmp_path / "concat.safetensors")


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
    with pytest.raises(UsageError, match=r"cannot write weights to .*: it is a folder, and a file is expected"):
        train("concat", "vqa", options=TINY, output=tmp_path)


def test_earlier_weights_survive_a_run_that_fails(tmp_path):
    output = tmp_path / "film.safetensors"
    output.write_bytes(b"earlier weights")
    with pytest.raises(HarnessError):
        train("film", "vqa", options=dataclasses.replace(TINY, learning_rate=1e30), output=output)
    assert output.read_bytes() == b"earlier weights"
    assert list(tmp_path.iterdir()) == [output]
