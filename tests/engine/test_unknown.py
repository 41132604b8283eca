"""Labels that only the held-out samples have: training goes on, evaluation counts them, and both say so."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from mmbench.data.split import split_by_group
from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.engine.progress import EvalProgress, TrainProgress
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions
from mmbench.engine.unknown import unknown_targets
from mmbench.record.store import Store
from mmbench.registry import registry
from mmbench.sample import Sample
from mmbench_tasks.image_classification.task import ImageClassification


class Notes(TrainProgress, EvalProgress):
    """Keeps what it is told."""

    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


def picture(number):
    return Image.fromarray(np.full((8, 8, 3), 40 * (number % 5), dtype=np.uint8))


def made(split, count):
    return [Sample(f"{split}/{n}", {"image": picture(n)}, target=f"class {n % 5}") for n in range(count)]


class Uneven(ImageClassification):
    """Five classes to learn from; one more in the validation part alone, and two more in the test split alone."""

    card = dataclasses.replace(ImageClassification.card, name="test-uneven", datasets=("test-uneven",))

    def load(self, dataset, split):
        if split == "test":
            samples = made("test", 20)
            samples[3] = dataclasses.replace(samples[3], target="zebra")
            samples[4] = dataclasses.replace(samples[4], target="zebra")
            samples[5] = dataclasses.replace(samples[5], target="yak")
            return samples
        samples = made("train", 120)
        held_out = split_by_group(samples)[1].indices[0]
        return [dataclasses.replace(s, target="wolf") if n == held_out else s for n, s in enumerate(samples)]


@pytest.fixture
def uneven(register):
    register("task", "test-uneven", Uneven)
    digits = registry.load("dataset", "digits")
    card = digits.model_copy(update={"name": "test-uneven", "tasks": ("test-uneven",), "splits": {}})
    register("dataset", "test-uneven", card)


def test_class_that_training_lacks_counts_as_wrong_and_is_named(uneven, tmp_path, threads):
    notes = Notes()
    options = TrainOptions(epochs=12, batch_size=16, workers=0)
    trained = train("image-only", "test-uneven", options=options, output=tmp_path / "model.safetensors", progress=notes)
    held_out = len(split_by_group(made("train", 120))[1])
    assert notes.notes[0] == (
        f"test-uneven/test-uneven validation: 1 of {held_out} samples have a target that is none of the model's "
        "labels: 'wolf'; none is left out: they count as wrong wherever a metric asks for the exact text"
    )
    assert trained.best.metrics["accuracy"] == pytest.approx(1 - 1 / held_out)
    told = Notes()
    evaluation = evaluate(
        "image-only",
        "test-uneven",
        weights=trained.path,
        options=EvalOptions(workers=0, threads=1, device="cpu", invariance=0),
        output=tmp_path / "results",
        progress=told,
    )
    assert told.notes == [
        "3 of 20 samples have a target that is none of the model's labels: 'zebra', 'yak'; none is left out: they "
        "count as wrong wherever a metric asks for the exact text"
    ]
    metrics = {name: metric.value for name, metric in evaluation.record.metrics.items()}
    assert {metric.n for metric in evaluation.record.metrics.values()} == {20}
    assert metrics["accuracy"] == pytest.approx(17 / 20)
    assert metrics["top5_accuracy"] == pytest.approx(17 / 20)
    assert metrics["nll"] > 3 * 36 / 20  # -log of the smallest probability that counts, as scikit-learn clips it
    assert metrics["mean_class_recall"] == pytest.approx(5 / 7)
    rows = Store(evaluation.folder).load_samples(evaluation.folder).to_pylist()
    assert [row["id"] for row in rows if row["probability.target_probability"] == 0] == ["test/3", "test/4", "test/5"]


class Labelled:
    """Classifies."""

    labels = ("yes", "no")

    def classify(self, batch):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["yes", "no"], None),
        ([], None),
        ([["maybe", "yes"], ["no"]], None),
        ([["maybe", "perhaps"], "no"], "1 of 2 samples have a target that is none of the model's labels: 'maybe'; "),
        ([1, 2, 1], "3 of 3 samples have a target that is none of the model's labels: '1', '2'; "),
        (
            list("aabbcde"),
            "7 of 7 samples have a target that is none of the model's labels: 'a', 'b', 'c' and 2 more; ",
        ),
    ],
)
def test_targets_that_are_none_of_the_labels(targets, expected):
    found = unknown_targets(targets, Labelled())
    assert found is None if expected is None else found.startswith(expected)


def test_model_without_labels_may_say_anything():
    assert unknown_targets(["a", "b"], object()) is None
