"""Each property of `check_model` against a model that breaks it and nothing else before it; and models that hold."""

import re
from itertools import count

import pytest
import torch

from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.testing import check_model


class Good:
    """Reads a question's bytes, as many as there are."""

    name = "good"
    modalities = ("text",)
    labels = ("yes", "no", "red")

    def collate(self, samples):
        texts = [sample.inputs.get("text") or "" for sample in samples]
        rows = [list(text.encode()) for text in texts]
        inputs = torch.zeros(len(rows), max(map(len, rows), default=0) + 1, dtype=torch.int64)
        for row, values in zip(inputs, rows, strict=True):
            row[: len(values)] = torch.tensor(values)
        return Batch(len(samples), {"text": inputs}, {"text": inputs > 0})

    def classify(self, batch):
        text = batch.inputs["text"].float()
        return torch.stack([text.sum(dim=1), text.square().sum(dim=1), (text % 7).sum(dim=1)], dim=1) / 100


@pytest.mark.parametrize(
    ("model", "task"),
    [
        (Good(), "vqa"),
        ("film", "vqa"),
        ("frequent-caption", "captioning"),
        ("dual-encoder", "retrieval"),
        ("majority", "vqa"),
    ],
)
def test_models_that_hold(model, task):
    check_model(model, task, samples=3)


class WrongSize(Good):
    def collate(self, samples):
        return super().collate([*samples, samples[0]])


class NoMask(Good):
    def collate(self, samples):
        batch = super().collate(samples)
        return Batch(batch.size, batch.inputs, {})


class AllThere(Good):
    def collate(self, samples):
        batch = super().collate(samples)
        return Batch(batch.size, batch.inputs, {"text": torch.zeros(batch.size, dtype=torch.bool)})


class TooFew(Good):
    def classify(self, batch):
        return super().classify(batch)[:, :2]


class Nan(Good):
    def classify(self, batch):
        return super().classify(batch) * float("nan")


class Random(Good):
    calls = count()

    def classify(self, batch):
        return super().classify(batch) + torch.tensor([next(self.calls), 0.0, 0.0])


class ByTheBatch(Good):
    def classify(self, batch):
        logits = super().classify(batch)
        return logits - logits.mean() * torch.tensor([1.0, 0.0, 0.0])


class ByPlace(Good):
    def classify(self, batch):
        place = torch.arange(batch.size).unsqueeze(1) * (batch.size > 1)
        return super().classify(batch) + place * torch.tensor([0.0, 0.1, 0.0])


class InPlace(Good):
    def classify(self, batch):
        logits = super().classify(batch)
        batch.inputs["text"].zero_()
        return logits


class NeedsText(Good):
    def collate(self, samples):
        for sample in samples:
            sample.inputs["text"]
        return super().collate(samples)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (WrongSize, "its batches tell what is there: 9 for 8 samples"),
        (NoMask, "its batches tell what is there: its batch has no mask of text"),
        (AllThere, "its batches tell what is there: the mask of text says [False,"),
        (TooFew, "it gives one answer a sample: "),
        (Nan, "it gives one answer a sample: a batch of 8 failed (ValueError)"),
        (Random, "it is deterministic: asked again, it answers otherwise (sample 0): scores differ by"),
        (ByTheBatch, "it answers each sample by itself: a sample alone and in a batch are answered differently"),
        (ByPlace, "it answers each sample by itself: "),
        (InPlace, "it leaves its batches as they are: inputs['text'] was changed in place"),
        (NeedsText, "a modality may be missing: with a sample that lacks text: KeyError: 'text'"),
    ],
)
def test_what_breaks_a_property_is_told(broken, message):
    with pytest.raises(AssertionError, match=re.escape(message)):
        check_model(broken(), "vqa")


def test_a_model_that_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="task 'asr' needs a model that can generate; 'good' can classify"):
        check_model(Good(), "asr")
