"""The image classification task on its default data set, from the contract to a stored record."""

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from mmbench.cli import main
from mmbench.data.card import DatasetCard
from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.errors import UsageError
from mmbench.metrics.accuracy import Accuracy
from mmbench.model import Batch
from mmbench.registry import registry
from mmbench.sample import Dataset, Prediction, Sample
from mmbench.task import Task
from mmbench_tasks.image_classification.datasets import digits, image_folder
from mmbench_tasks.image_classification.task import ImageClassification

METRICS = ("accuracy", "top5_accuracy", "macro_f1", "mean_class_recall", "ece", "nll", "brier")


def samples_of(card, split):
    dataset = ImageClassification().load(card, split)
    return [dataset[index] for index in range(len(dataset))]


def test_is_registered_and_keeps_the_contract():
    task = registry.load("task", "image_classification")()
    assert isinstance(task, Task)
    assert task.card.metrics == METRICS
    assert task.card.default_dataset == "digits"
    assert isinstance(task.load(digits, "test"), Dataset)
    for name in task.card.metrics:
        assert registry.load("metric", name)().name == name


def test_every_card_is_registered_and_opens_with_a_reader_of_the_task():
    for name in ImageClassification.card.datasets:
        card = registry.load("dataset", name)
        assert isinstance(card, DatasetCard)
        assert card.name == name
        assert card.tasks == ("image_classification",)
        assert card.default_split in card.splits or not card.splits
        assert card.train_split in card.splits or not card.splits
        with pytest.raises(UsageError) as caught:  # no files, or no such split, but never an unknown format
            ImageClassification().load(card.at(Path(__file__).parent), "no-such-split")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("split", "part"), [("train", slice(None, -500)), ("test", slice(-500, None))])
def test_digits_are_those_of_scikit_learn(split, part):
    """Reference: sklearn.datasets.load_digits, the last 500 as test."""
    samples, reference = samples_of(digits, split), load_digits()
    assert [sample.target for sample in samples] == reference.target[part].astype(str).tolist()
    pixels = np.stack([np.asarray(sample.inputs["image"]) for sample in samples])
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels / 255 * 16, reference.images[part], atol=0.04)
    assert pixels.max() == 255
    assert {sample.inputs["image"].mode for sample in samples} == {"L"}


def test_digits_of_both_splits_are_balanced_and_apart():
    train, test = (samples_of(digits, split) for split in ("train", "test"))
    for samples in (train, test):
        counts = Counter(sample.target for sample in samples)
        assert sorted(counts) == list("0123456789")
        assert max(counts.values()) < 1.15 * min(counts.values())
    assert not {sample.id for sample in train} & {sample.id for sample in test}
    assert len({sample.id for sample in train + test}) == 1797


def test_unknown_split():
    with pytest.raises(UsageError, match="unknown split of digits 'tset'; did you mean 'test'"):
        ImageClassification().load(digits, "tset")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, "digits.csv.gz: cannot be read: Not a gzipped file"),
        ("", "expected lines of 64 pixels"),
        ("1,2,3\n4,5,6\n", "expected lines of 64 pixels from 0 to 16 and a digit"),
        (",".join(["17"] * 65), "expected lines of 64 pixels from 0 to 16 and a digit"),
        ((",".join(["1"] * 65) + "\n") * 3 + "x", "digits.csv.gz: cannot be read: .* changed from 65 to 1 at row 4"),
        ((",".join(["1"] * 65) + "\n") * 501, None),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt. input contained no data")
def test_damaged_digits(tmp_path, lines, message):
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress(lines.encode()) if lines is not None else b"no gzip file")
    card = digits.model_copy(update={"local": tmp_path})
    with pytest.raises(UsageError, match=message or "digits train: expected 1297 samples, found 1") as caught:
        ImageClassification().load(card, "train")
    assert "\n" not in str(caught.value)


class Fixed:
    """Answers with the logits or the texts that it was made with."""

    name = "fixed"
    modalities = ("image",)

    def __init__(self, **answers):
        for name, answer in answers.items():
            setattr(self, name, answer)

    def collate(self, samples):
        return Batch(len(samples), {}, {})


def test_asks_for_the_most_probable_label_or_for_text():
    task = ImageClassification()
    logits = torch.tensor([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    classifier = Fixed(labels=("cat", "dog", "fox"), classify=lambda batch: logits)
    predictions = task.ask(classifier, Batch(2, {}, {}))
    assert [prediction.value for prediction in predictions] == ["fox", "cat"]
    np.testing.assert_allclose(np.exp(predictions[0].scores), [0.09, 0.245, 0.665], atol=1e-3)
    generator = Fixed(generate=lambda batch: ["fox", "a cat"])
    assert task.ask(generator, Batch(2, {}, {})) == [Prediction("fox"), Prediction("a cat")]
    assert task.score(Accuracy(), predictions[0], Sample("s", {}, "fox")) == (1,)
    assert task.score(Accuracy(), predictions[0], Sample("s", {}, "Fox")) == (0,)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small CNN after six epochs on the digits."""
    path = tmp_path_factory.mktemp("weights") / "image-only.safetensors"
    options = ("--epochs", "6", "--batch-size", "64", "--workers", "0", "--threads", "1")
    assert (
        main(["train", "--model", "image-only", "--task", "image_classification", *options, "--output", str(path)]) == 0
    )
    return path


def test_trained_model_has_every_metric_with_an_interval(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ("--workers", "0", "--threads", "1", "--device", "cpu", "--weights", str(weights), "--json")
    assert main(["eval", "--model", "image-only", "--task", "image_classification", *options]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["dataset"]["name"], record["dataset"]["n"], record["main_metric"]) == ("digits", 500, "accuracy")
    found = record["metrics"]
    assert tuple(found) == METRICS
    assert found["accuracy"]["value"] > 0.8
    assert found["top5_accuracy"]["value"] > 0.95
    assert found["nll"]["value"] < 1
    for name, metric in found.items():
        assert metric["low"] < metric["high"], name
        assert metric["n"] == 500
        if name != "ece":  # biased upwards, and its interval with it
            assert metric["low"] <= metric["value"] <= metric["high"], name
    confusion = record["details"]["mean_class_recall"]
    assert confusion["labels"] == list("0123456789")
    assert sum(count for _, _, count in confusion["confusion"]) == 500
    right = sum(count for true, predicted, count in confusion["confusion"] if true == predicted)
    assert right == round(500 * found["accuracy"]["value"])


def test_broken_images_are_recorded_and_the_rest_is_scored(weights, tmp_path):
    for index, sample in enumerate(samples_of(digits, "test")[:60]):
        folder = tmp_path / "data" / "test" / sample.target
        folder.mkdir(parents=True, exist_ok=True)
        sample.inputs["image"].resize((32, 32)).save(folder / f"{index:02}.png")
    broken = [tmp_path / "data" / sample.id for sample in samples_of(image_folder.at(tmp_path / "data"), "test")[7:9]]
    broken[0].write_bytes(broken[0].read_bytes()[:70])
    broken[1].write_bytes(b"")
    found = evaluate(
        "image-only",
        "image_classification",
        dataset="image-folder",
        data=tmp_path / "data",
        weights=weights,
        output=tmp_path / "results",
        options=EvalOptions(on_error="skip", workers=0, threads=1, device="cpu", invariance=0),
    ).record
    reasons = {failure.id: (failure.stage, failure.reason) for failure in found.failures}
    assert list(reasons) == [path.relative_to(tmp_path / "data").as_posix() for path in broken]
    assert {stage for stage, _ in reasons.values()} == {"decode"}
    told = [reason for _, reason in reasons.values()]
    assert "cannot be decoded: " in told[0]
    assert "not an image" in told[1]
    assert found.dataset.n == 60
    assert found.metrics["accuracy"].n == found.metrics["nll"].n == 58


def test_png_of_the_right_size_is_what_the_array_was(tmp_path):
    """An image folder of exported digits holds the same pixels."""
    sample = samples_of(digits, "test")[0]
    (tmp_path / "test" / sample.target).mkdir(parents=True)
    sample.inputs["image"].save(tmp_path / "test" / sample.target / "0.png")
    (found,) = samples_of(image_folder.at(tmp_path), "test")
    assert found.target == sample.target
    np.testing.assert_array_equal(Image.open(found.inputs["image"]), sample.inputs["image"])
