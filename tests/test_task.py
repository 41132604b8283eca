"""What a task asks: fit before anything is loaded, and answers from logits."""

import numpy as np
import pytest
import torch

from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.registry import registry
from mmbench.task import Task, TaskCard, argmax_labels, check_fit

CARD = TaskCard(
    name="quiz",
    title="a quiz",
    modalities=("image", "text"),
    ability="classify",
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


def test_first_names_are_the_main_ones():
    assert CARD.main_metric == "accuracy"
    assert CARD.default_dataset == "small"


@pytest.mark.parametrize("modalities", [(), ("text",), ("image",), ("text", "image")])
def test_model_that_fits(modalities):
    check_fit(CARD, Stub(*modalities))


def test_foreign_modality_is_refused_with_what_would_fit():
    with pytest.raises(UsageError, match="model 'stub' takes text, audio; task 'quiz' offers image, text, no audio"):
        check_fit(CARD, Stub("text", "audio"))


def test_missing_ability_is_refused_with_what_it_can_do():
    with pytest.raises(UsageError, match="task 'quiz' needs a model that can classify; 'writer' can generate"):
        check_fit(CARD, Writer())


def test_model_without_any_ability():
    nothing = type("Nothing", (), {"name": "nothing", "modalities": ()})()
    with pytest.raises(UsageError, match="'nothing' can do none of classify, generate, embed"):
        check_fit(CARD, nothing)


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
