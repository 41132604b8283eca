"""Retrieval from end to end: a small model on a small set, a broken image, and vectors by modality."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.data.decode import load_image
from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.errors import HarnessError
from mmbench.model import Batch
from mmbench.record.store import Store
from mmbench.registry import register, registry
from mmbench_tasks.retrieval.task import Retrieval

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "olive": (200, 220, 0)}
CAPTIONS = {
    "red": ["a red square", "red", "a square of olive and red"],
    "green": ["a green square", "green"],
    "blue": ["a blue square", "a red square"],
    "olive": ["an olive square"],
}
"""One text is on two images, and one image's text is nearer to another's."""


@pytest.fixture(autouse=True)
def threads():
    """PyTorch's threads as they were: a run sets them for its process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def squares(tmp_path):
    """A folder with four images of one colour each and their captions."""
    folder = tmp_path / "squares"
    folder.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (4, 4), colour).save(folder / f"{name}.png")
    entries = [{"id": name, "file_name": f"{name}.png", "captions": texts} for name, texts in CAPTIONS.items()]
    (folder / "captions.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder


class Colours:
    """Embeds an image as its mean colour, a text as the mean of the colours that it names; both of length 1."""

    name = "test-colours"
    modalities = ("image", "text")

    def collate(self, samples):
        def rows(modality, read):
            found = [read(sample.inputs[modality]) if modality in sample.inputs else [np.nan] * 3 for sample in samples]
            return torch.tensor(np.array(found), dtype=torch.float32)

        inputs = {"image": rows("image", mean_colour), "text": rows("text", named_colour)}
        mask = {modality: torch.tensor([modality in sample.inputs for sample in samples]) for modality in inputs}
        mask["text"] = mask["text"][:, None].expand(-1, 3)  # as a sequence of tokens has it
        return Batch(len(samples), inputs, mask)

    def embed(self, batch, modality):
        vectors = batch.inputs[modality]
        return vectors / vectors.norm(dim=1, keepdim=True)


def mean_colour(value):
    return np.asarray(load_image(value), dtype=np.float32).mean(axis=(0, 1))


def named_colour(text):
    return np.mean([COLOURS[word] for word in text.split() if word in COLOURS], axis=0)


@pytest.fixture
def model():
    """The model, registered for a while; its factory opens it without weights."""

    class Factory:
        """Makes the model."""

        def create(self, name, modalities, samples):
            return Colours()

        def restore(self, name, config):
            return Colours()

        def open(self, name):
            return Colours()

    register("model", Colours.name)(Factory())
    yield Colours()
    registry.unregister("model", Colours.name)


@pytest.fixture
def run(squares, model, tmp_path):
    """Evaluate on the squares; gives the record and the table of items."""

    def evaluate_model(output="results", **options):
        chosen = EvalOptions(threads=1, workers=0, device="cpu", **{"batch_size": 4, "invariance": 0, **options})
        done = evaluate(
            model.name, "retrieval", dataset="captions-json", data=squares, options=chosen, output=tmp_path / output
        )
        return done.record, Store(tmp_path / output).load_samples(done.folder).to_pylist()

    return evaluate_model


@pytest.fixture
def items(squares):
    return Retrieval().load(registry.load("dataset", "captions-json").at(squares), "all")


def test_model_is_asked_for_each_item_by_its_modality(items, model):
    """The batch has both; what the model gives for an item without the modality is NaN here, and is not looked at."""
    samples = [items[index] for index in (0, 1, 4, 6)]
    predictions = Retrieval().ask(model, model.collate(samples))
    assert [prediction.value for prediction in predictions] == [""] * 4
    expected = [[1, 0, 0], [0, 1, 0], [1, 0, 0], np.array([455, 220, 0]) / np.hypot(455, 220)]
    for prediction, vector in zip(predictions, expected, strict=True):
        assert prediction.vector.dtype == np.float32
        np.testing.assert_allclose(prediction.vector, vector, rtol=1e-6)


def test_vectors_in_half_precision_become_float32(items, model):
    class Half(Colours):
        def embed(self, batch, modality):
            return super().embed(batch, modality).bfloat16()

    (prediction,) = Retrieval().ask(Half(), model.collate([items[0]]))
    assert prediction.vector.dtype == np.float32


def test_run_from_end_to_end(run):
    """By hand: red's third text is nearer to olive; blue's second is red's first, ties with green at 0 and is last."""
    record, rows = run()
    assert record.failures == []
    assert (record.main_metric, record.dataset.n, len(rows)) == ("text_to_image_r_at_1", 12, 12)
    ranks = {row["id"]: row["retrieval.first_hit_rank"] for row in rows}
    assert ranks == {
        "image/red": 2,
        "image/green": 1,
        "image/blue": 1,
        "image/olive": 1,
        "text/red/0": 1,
        "text/red/1": 1,
        "text/red/2": 2,
        "text/green/0": 1,
        "text/green/1": 1,
        "text/blue/0": 1,
        "text/blue/1": 4,
        "text/olive/0": 1,
    }
    values = {name: metric.value for name, metric in record.metrics.items()}
    assert values["text_to_image_r_at_1"] == values["text_to_image_recall_at_1"] == 6 / 8
    assert values["image_to_text_r_at_1"] == 3 / 4
    assert values["image_to_text_recall_at_1"] == pytest.approx((0 + 1 / 2 + 1 / 2 + 1) / 4)
    assert values["text_to_image_median_rank"] == 1.0
    assert {record.metrics[f"text_to_image_{name}"].n for name in ("map", "r_at_1")} == {8}
    assert {record.metrics[f"image_to_text_{name}"].n for name in ("map", "r_at_1")} == {4}
    assert record.metrics["text_to_image_r_at_1"].method == "clustered-bootstrap"
    assert record.metrics["image_to_text_r_at_1"].method == "wilson"
    assert record.details["text_to_image_r_at_1"] == {"candidates": 4}
    assert record.details["image_to_text_r_at_1"] == {"candidates": 8}


@pytest.mark.parametrize("size", [1, 3, 12, 64])
def test_batch_size_changes_nothing(run, size):
    expected, expected_rows = run()
    record, rows = run(f"size-{size}", batch_size=size)
    assert record.metrics == expected.metrics
    assert rows == expected_rows


def test_texts_of_a_broken_image_are_unscored_and_say_why(run, squares):
    data = (squares / "green.png").read_bytes()
    (squares / "green.png").write_bytes(data[:40])
    (squares / "olive.png").unlink()
    with pytest.raises(HarnessError, match="sample image/green failed at stage decode: DecodeError"):
        run()
    record, rows = run("skipped", on_error="skip")
    assert [(failure.id, failure.stage) for failure in record.failures] == [
        ("image/green", "decode"),
        ("image/olive", "decode"),
        ("text/green/0", "score"),
        ("text/green/1", "score"),
        ("text/olive/0", "score"),
    ]
    assert {failure.reason for failure in record.failures[2:]} == {"no image that is relevant to it was scored"}
    assert len(rows) == 12
    unscored = {row["id"]: row for row in rows if row["error"] is not None}
    assert list(unscored) == [failure.id for failure in record.failures]
    assert unscored["text/green/0"]["error"] == "score: no image that is relevant to it was scored"
    assert {row["retrieval.first_hit_rank"] for row in unscored.values()} == {None}
    assert record.metrics["text_to_image_r_at_1"].n == 5
    assert record.metrics["image_to_text_r_at_1"].n == 2
    assert record.details["image_to_text_r_at_1"] == {"candidates": 8}


def test_limit_takes_images_with_all_of_their_texts(run):
    record, rows = run(limit=2)
    assert (record.dataset.n, record.dataset.limit) == (7, 2)
    assert [row["id"] for row in rows] == [
        "image/red",
        "image/green",
        *(f"text/red/{number}" for number in range(3)),
        *(f"text/green/{number}" for number in range(2)),
    ]
    assert record.failures == []
    assert record.details["text_to_image_r_at_1"] == {"candidates": 2}
