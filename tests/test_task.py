"""What a task asks: fit before anything is loaded, and answers from logits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.registry import registry
from mmbench.task import Task, TaskCard, argmax_labels, check_fit, open_split

CARD = TaskCard(
    name="quiz",
    title="a quiz",
    modalities=("image", "text"),
    abilities=("classify",),
    metrics=("accuracy", "macro_f1"),
    datasets=("small", "large"),
)


class Stub:
    """Any model that classifies."""

    name = "stub"
    labels = ("a", "b")

    def __init__(self, *modalities):
        self.modalities = modalities

    def collate(self, samples):
        return Batch(len(samples), {}, {})

    def classify(self, batch):
        return torch.zeros(batch.size, 2)


class Writer:
    """A model that generates."""

    name = "writer"
    modalities = ("text",)

    def collate(self, samples):
        return Batch(len(samples), {}, {})

    def generate(self, batch):
        return [""] * batch.size


class Half:
    """A model that embeds images alone."""

    name = "half"
    modalities = ("image",)

    def collate(self, samples):
        return Batch(len(samples), {}, {})

    def embed(self, batch, modality):
        return torch.zeros(batch.size, 2)


def data(**fields):
    source = {"kind": "files", "get": "Get it."}
    return DatasetCard(
        name="small",
        tasks=("quiz",),
        title="",
        format="x",
        source=source,
        revision="1",
        splits={},
        default_split="test",
        licence="MIT",
        **fields,
    )


def test_data_set_may_have_metrics_and_modalities_of_its_own():
    assert CARD.default_dataset == "small"
    assert CARD.metrics_on(None) == CARD.metrics_on(data()) == ("accuracy", "macro_f1")
    assert CARD.metrics_on(data(metrics=("wer",))) == ("wer",)
    assert CARD.modalities_of(data()) == ("image", "text")
    assert CARD.modalities_of(data(modalities=("audio",))) == ("audio",)


def test_modality_that_this_data_set_lacks():
    with pytest.raises(UsageError, match="model 'stub' takes text; data set 'small' offers image, no text"):
        check_fit(CARD, data(modalities=("image",)), Stub("text"))


@pytest.mark.parametrize("modalities", [(), ("text",), ("image",), ("text", "image")])
def test_model_that_fits(modalities):
    check_fit(CARD, data(), Stub(*modalities))


def test_foreign_modality_is_refused_with_what_would_fit():
    with pytest.raises(UsageError, match="model 'stub' takes text, audio; task 'quiz' offers image, text, no audio"):
        check_fit(CARD, data(), Stub("text", "audio"))


def test_missing_ability_is_refused_with_what_it_can_do():
    with pytest.raises(UsageError, match="task 'quiz' needs a model that can classify; 'writer' can generate"):
        check_fit(CARD, data(), Writer())


def test_what_is_compared_must_all_be_embedded():
    card = replace(CARD, abilities=("embed",))
    with pytest.raises(UsageError, match="needs a model that embeds image, text; 'half' does not take text"):
        check_fit(card, data(), Half())


class Reading:
    """A reader of another package."""

    def __init__(self, card, split):
        self.told = (card.name, split)


def test_reader_of_a_format():
    card = data()
    assert open_split({"x": Reading}, card, "test").told == ("small", "test")
    elsewhere = card.model_copy(update={"format": f"{Reading.__module__}:Reading"})
    assert open_split({}, elsewhere, "test").told == ("small", "test")


@pytest.mark.parametrize(
    ("format_", "message"),
    [
        ("coc", "unknown format of data set small 'coc'; did you mean 'coco'"),
        ("no_such_module:Reader", "reader 'no_such_module:Reader' of data set 'small' cannot be imported: No module"),
        ("json:Reader", "reader 'json:Reader' of data set 'small' cannot be imported: module 'json' has no"),
    ],
)
def test_format_without_a_reader(format_, message):
    with pytest.raises(UsageError, match=message):
        open_split({"coco": Reading}, data().model_copy(update={"format": format_}), "test")


def test_model_without_any_ability():
    nothing = type("Nothing", (), {"name": "nothing", "modalities": ()})()
    with pytest.raises(UsageError, match="'nothing' can do none of classify, generate, embed"):
        check_fit(CARD, data(), nothing)


@pytest.mark.parametrize("name", registry.names("task"))
def test_registered_task_keeps_the_contract(name):
    task = registry.load("task", name)()
    assert isinstance(task, Task)
    assert task.card.name == name
    assert set(task.card.metrics) <= set(registry.names("metric"))
    assert set(task.card.datasets) <= set(registry.names("dataset"))
    assert "https://" in task.card.citation


def test_argmax_labels():
    """Reference: numpy's softmax by hand."""
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, -1.0, 0.0]])
    predictions = argmax_labels(logits, ["a", "b", "c"])
    assert [prediction.value for prediction in predictions] == ["b", "a"]
    p = np.exp(logits.numpy())
    expected = np.log(p / p.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.stack([prediction.scores for prediction in predictions]), expected, rtol=1e-5)
    assert predictions[0].scores.dtype == np.float32


def test_first_label_wins_a_tie():
    predictions = argmax_labels(torch.tensor([[1.0, 3.0, 3.0], [0.0, 0.0, 0.0]]), ["a", "b", "c"])
    assert [prediction.value for prediction in predictions] == ["b", "a"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits(dtype):
    predictions = argmax_labels(torch.tensor([[1.0, 3.0]], dtype=dtype), ["a", "b"])
    assert predictions[0].value == "b"
    assert predictions[0].scores.dtype == np.float32
