"""What training varies, smooths and rounds: it takes effect, validation is left alone, and seeds decide."""

import dataclasses
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmbench.checkpoint import read_weights
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import HarnessError, UsageError
from mmbench.fusion_factory import FusionFactory
from mmbench.model import Batch
from mmbench.registry import registry
from mmbench.sample import Sample
from mmbench_tasks.image_classification.task import ImageClassification

TINY = TrainOptions(epochs=2, batch_size=64, limit=150, workers=0)
VARIED = dataclasses.replace(TINY, augment=True, modality_dropout=0.3)


def tensors(trained):
    return read_weights(trained.path)[1]


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def fit(tmp_path, threads):
    """Train, each time into a file of its own."""
    count = 0

    def run(model="film", task="vqa", options=TINY, **changes):
        nonlocal count
        count += 1
        chosen = dataclasses.replace(options, **changes)
        return train(model, task, options=chosen, output=tmp_path / str(count) / "model.safetensors")

    return run


def test_varied_training_follows_from_the_seed_alone(fit):
    first = fit(options=VARIED)
    assert same(tensors(fit(options=VARIED, workers=1)), tensors(first))
    for other in ({"augment": False}, {"modality_dropout": 0.0}):
        assert not same(tensors(fit(options=VARIED, **other)), tensors(first))


class Watching(nn.Module):
    """Keeps the images that it is shown, by epoch; answers with the first label."""

    modalities = ("image",)
    label_smoothing = 0.0

    def __init__(self, name, labels):
        super().__init__()
        self.name = name
        self.labels = labels
        self.weight = nn.Parameter(torch.zeros(1))
        self.training_images, self.validation_images, self.smoothing = {}, {}, set()
        self.epoch = 0

    @classmethod
    def create(cls, name, modalities, samples):
        cls.last = cls(name, tuple(sorted({samples[index].target for index in range(len(samples))})))
        return cls.last

    def stored_config(self):
        return {}

    def collate(self, samples):
        seen = self.training_images if self.training else self.validation_images
        seen.setdefault(self.epoch, {}).update({s.id: s.inputs["image"] for s in samples})
        return Batch(len(samples), {}, {})

    def classify(self, batch):
        self.epoch += 1
        return F.one_hot(torch.zeros(batch.size, dtype=torch.int64), len(self.labels)).float()

    def loss(self, batch):
        self.smoothing.add(self.label_smoothing)
        return self.weight.square().sum()


class Unsmoothed(Watching):
    """Cannot smooth its labels."""

    def __getattribute__(self, name):
        if name == "label_smoothing":
            raise AttributeError(name)
        return super().__getattribute__(name)


def test_each_epoch_sees_other_variations_and_validation_none(register, fit):
    register("model", "test-watching", Watching)
    fit("test-watching", augment=True, epochs=3, batch_size=10_000)
    model = Watching.last
    original = {sample: image for images in model.validation_images.values() for sample, image in images.items()}
    assert all(images == original for images in model.validation_images.values())
    assert all(isinstance(image, Path) for image in original.values())  # files, which nothing has touched
    seen = list(model.training_images.values())
    assert [images.keys() for images in seen] == [seen[0].keys()] * 3
    differing = [sum(one[name] != other[name] for name in one) for one, other in pairwise(seen)]
    assert min(differing) == len(seen[0])


def test_label_smoothing_reaches_the_model(register, fit):
    register("model", "test-watching", Watching)
    fit("test-watching", label_smoothing=0.25)
    assert Watching.last.smoothing == {0.25}


def test_label_smoothing_is_in_the_loss_of_a_fusion(fit, tiny):
    samples = [Sample(str(number), {"text": f"word{number % 3}"}, target=str(number % 3)) for number in range(12)]
    model = FusionFactory("concat").create("concat", ("text",), samples)
    model.label_smoothing = 0.2
    batch = model.collate(samples)
    expected = F.cross_entropy(model.classify(batch), batch.targets, label_smoothing=0.2)
    torch.testing.assert_close(model.loss(batch), expected)
    smoothed, plain = fit("text-only", tiny, label_smoothing=0.2), fit("text-only", tiny)
    assert smoothed.history[0].loss != plain.history[0].loss


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("text-only", {"augment": True}, "model 'text-only' reads only text, and what is varied is audio and image"),
        ("text-only", {"modality_dropout": 0.1}, "model 'text-only' has one modality, text, and one is always kept"),
        ("test-watching", {"label_smoothing": 0.1}, "does not smooth labels; leave out --label-smoothing"),
    ],
)
def test_what_a_model_cannot_do_is_refused(register, fit, tmp_path, model, options, message):
    register("model", "test-watching", Unsmoothed)
    with pytest.raises(UsageError, match=message):
        fit(model, **options)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("model", ["film", "cross-attention"])
def test_bfloat16_learns_about_the_same_and_keeps_float32_weights(fit, model):
    whole, mixed = fit(model), fit(model, precision="bfloat16")
    assert {t.dtype for t in tensors(mixed).values()} == {t.dtype for t in tensors(whole).values()}
    assert not same(tensors(whole), tensors(mixed))
    for one, other in zip(whole.history, mixed.history, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=0.03)
        assert other.loss != one.loss


def test_float16_needs_an_accelerator(fit):
    with pytest.raises(UsageError, match="--precision float16 needs an accelerator; a CPU has float32 and bfloat16"):
        fit(precision="float16")


def test_sample_that_cannot_be_varied_stops_with_its_reason(register, fit, tmp_path):
    class Broken(ImageClassification):
        """Digits, one of which is a file that is not there."""

        card = dataclasses.replace(ImageClassification.card, name="test-broken", datasets=("test-broken",))

        def load(self, dataset, split):
            samples = super().load(dataset.model_copy(update={"name": "digits"}), split)
            found = [samples[index] for index in range(150)]
            return [
                dataclasses.replace(sample, inputs={"image": tmp_path / "gone" / "digit.png"})
                if index % 7 == 3
                else sample
                for index, sample in enumerate(found)
            ]

    digits = registry.load("dataset", "digits")
    register("task", "test-broken", Broken)
    register("dataset", "test-broken", digits.model_copy(update={"name": "test-broken", "tasks": ("test-broken",)}))
    for workers in (0, 1):
        with pytest.raises(
            HarnessError, match=r"training sample #\d+ cannot be read: DecodeError: gone/digit\.png: no s"
        ):
            fit("image-only", "test-broken", augment=True, workers=workers)
