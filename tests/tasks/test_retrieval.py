"""The retrieval task: items of real and small sets, and what it takes for an answer."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from mmbench.data.decode import load_image
from mmbench.errors import UsageError
from mmbench.metrics.retrieval import TextToImageRAt1
from mmbench.model import Batch
from mmbench.registry import registry
from mmbench.sample import Dataset, Prediction, Sample
from mmbench.task import Task, check_fit
from mmbench_tasks.retrieval.items import ImageTextItems
from mmbench_tasks.retrieval.task import Retrieval

CAPTIONS = {"red": ["a red square", "red"], "green": ["green"], "blue": ["a blue square", "a red square"]}
"""One text is on two images."""

CARD = registry.load("dataset", "captions-json")


@pytest.fixture
def squares(tmp_path):
    """A folder with the captions of three images, which are not there: nothing here opens one."""
    entries = [{"id": name, "file_name": f"{name}.png", "captions": texts} for name, texts in CAPTIONS.items()]
    (tmp_path / "captions.json").write_text(json.dumps(entries), encoding="utf-8")
    return tmp_path


@pytest.fixture
def items(squares):
    return Retrieval().load(CARD.at(squares), "all")


def test_is_registered_and_keeps_the_contract():
    task = registry.load("task", "retrieval")()
    assert isinstance(task, Task)
    assert task.card.default_dataset == "scenes"
    assert task.card.metrics[0] == "text_to_image_r_at_1"
    assert len(task.card.metrics) == 18
    for name in task.card.metrics:
        assert registry.load("metric", name).name == name
    for name in task.card.datasets:
        assert "retrieval" in registry.load("dataset", name).tasks


def test_items_are_the_images_then_their_texts(items):
    assert isinstance(items, Dataset)
    samples = [items[index] for index in range(len(items))]
    assert [sample.id for sample in samples] == [
        *(f"image/{name}" for name in CAPTIONS),
        *(f"text/{name}/{number}" for name, texts in CAPTIONS.items() for number in range(len(texts))),
    ]
    assert [sample.inputs["text"] for sample in samples[3:]] == [text for texts in CAPTIONS.values() for text in texts]
    assert samples[2] == Sample("image/blue", samples[2].inputs, "blue", "blue", {"modality": "image"})
    assert samples[2].inputs["image"].name == "blue.png"
    assert samples[7] == Sample("text/blue/1", {"text": "a red square"}, "blue", "blue", {"modality": "text"})


@pytest.mark.parametrize("index", [-1, 8, 100])
def test_position_beyond_the_items(items, index):
    assert len(items) == 8
    with pytest.raises(IndexError, match=f"item {index} of 8"):
        items[index]


def test_what_breakdowns_need_goes_with_every_item(squares):
    entries = [{"file_name": "red.png", "captions": ["red"], "domain": "near"}]
    (squares / "captions.json").write_text(json.dumps(entries), encoding="utf-8")
    items = Retrieval().load(CARD.at(squares), "all")
    assert [items[index].meta for index in range(2)] == [
        {"domain": "near", "modality": "image"},
        {"domain": "near", "modality": "text"},
    ]


def test_image_without_texts_is_an_item_all_the_same():
    images = [Sample(name, {"image": name}, texts) for name, texts in (("a", []), ("b", ["x", "y"]), ("c", None))]
    images.append(Sample("d", {"image": "d"}, ["z"]))
    items = ImageTextItems(CARD, "all", images)
    ids = [items[index].id for index in range(len(items))]
    assert ids == ["image/a", "image/b", "image/c", "image/d", "text/b/0", "text/b/1", "text/d/0"]


def test_no_texts_at_all_are_refused():
    with pytest.raises(UsageError, match="captions-json test: no captions, which retrieval needs"):
        ImageTextItems(CARD, "test", [Sample("a", {"image": "a"}, [])])


def test_number_of_a_card_counts_images(squares):
    """The card is that of the captioning set."""
    card = CARD.at(squares).model_copy(update={"splits": {"all": 3}})
    assert len(Retrieval().load(card, "all")) == 8
    with pytest.raises(UsageError, match="captions-json all: expected 8 samples, found 3"):
        Retrieval().load(card.model_copy(update={"splits": {"all": 8}}), "all")


def test_default_set_has_five_texts_an_image():
    items = Retrieval().load(registry.load("dataset", "scenes"), "test")
    samples = [items[index] for index in range(len(items))]
    assert Counter(sample.meta["modality"] for sample in samples) == {"image": 1_000, "text": 5_000}
    assert len({sample.id for sample in samples}) == 6_000
    assert set(Counter(sample.target for sample in samples).values()) == {6}


@pytest.mark.shared
def test_coco_photographs(shared):
    """The counts of the data's README; one text belongs to two images, and every image is decoded."""
    items = Retrieval().load(CARD.at(shared / "caption" / "coco_open106"), "all")
    samples = [items[index] for index in range(len(items))]
    assert Counter(sample.meta["modality"] for sample in samples) == {"image": 106, "text": 530}
    assert all(min(load_image(sample.inputs["image"]).size) > 0 for sample in samples[:106])
    owners = {sample.target for sample in samples[106:] if sample.inputs["text"].startswith("A computer desk with two")}
    assert owners == {"255165", "465718"}


class Fixed:
    """Gives the vectors it was made with, for whatever it is asked."""

    name = "fixed"
    modalities = ("image", "text")

    def __init__(self, vectors):
        self.vectors = vectors

    def collate(self, samples):
        raise AssertionError

    def embed(self, batch, modality):
        return self.vectors


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (torch.tensor([[1.0, torch.nan], [1.0, 0.0]]), "not finite"),
        (torch.tensor([[1.0, 0.0], [1.0, torch.inf]]), "not finite"),
        (torch.ones(2), r"image vectors \[2\]; expected \[2, D\]"),
        (torch.ones(3, 4), r"image vectors \[3, 4\]; expected \[2, D\]"),
    ],
)
def test_vectors_that_are_no_answer(vectors, message):
    batch = Batch(2, {}, {"image": torch.tensor([True, True])})
    with pytest.raises(ValueError, match=message):
        Retrieval().ask(Fixed(vectors), batch)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({}, "the model's batch has neither image nor text"),
        ({"image": True, "text": True}, "item 0 of the batch has 2 modalities that the model reads, not one"),
    ],
)
def test_item_that_does_not_have_one_modality(masks, message):
    batch = Batch(1, {}, {modality: torch.tensor([value]) for modality, value in masks.items()})
    with pytest.raises(ValueError, match=message):
        Retrieval().ask(Fixed(torch.ones(1, 2)), batch)


@pytest.mark.parametrize("others", [[], [True]])
def test_item_whose_modality_is_missing_is_like_nothing(others):
    """Its vector is zeros of the common width, beside others and alone."""
    image = torch.tensor([False, *others])
    batch = Batch(len(image), {}, {"image": image, "text": torch.zeros_like(image)})
    missing, *found = Retrieval().ask(Fixed(torch.ones(len(image), 3)), batch)
    assert missing.vector.tolist() == [0.0, 0.0, 0.0]
    assert [prediction.vector.tolist() for prediction in found] == [[1.0, 1.0, 1.0] for _ in others]


def test_model_that_cannot_embed_is_refused():
    class Classifier:
        name = "classifier"
        modalities = ("image",)
        labels = ("a",)

        def collate(self, samples):
            raise AssertionError

        def classify(self, batch):
            raise AssertionError

    check_fit(Retrieval.card, CARD, Fixed(None))
    with pytest.raises(UsageError, match="task 'retrieval' needs a model that can embed; 'classifier' can classify"):
        check_fit(Retrieval.card, CARD, Classifier())


def test_score_is_the_metric_s_row(items):
    prediction = Prediction("", vector=np.ones(2, dtype=np.float32))
    assert Retrieval().score(TextToImageRAt1(), prediction, items[4]) == TextToImageRAt1().row(prediction, items[4])
