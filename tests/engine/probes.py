"""A plugin for the tests of the engine: easy-VQA with samples that fail, and models and metrics that misbehave.

The models answer by the number in a question's id: yes to an even one, no to an odd one.
"""

import io
import time
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from mmbench import Batch, Sample, register
from mmbench.metrics.accuracy import Accuracy
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA


class Clean:
    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index, /):
        return self.samples[index]


class Slow(Clean):
    """Slow enough to be killed at a chosen batch."""

    def __getitem__(self, index, /):
        time.sleep(0.002)
        return super().__getitem__(index)


class Corrupt(Clean):
    """Sample 5 is half of a PNG file, the file of sample 9 is missing."""

    def __getitem__(self, index, /):
        sample = super().__getitem__(index)
        path = sample.inputs["image"]
        if index == 5:
            data = path.read_bytes()
            return replace(sample, inputs={**sample.inputs, "image": Image.open(io.BytesIO(data[: len(data) // 2]))})
        if index == 9:
            return replace(sample, inputs={**sample.inputs, "image": Path("no/such.png")})
        return sample


class Unreadable(Clean):
    """Sample 3 cannot be made at all."""

    def __getitem__(self, index, /):
        if index == 3:
            raise ValueError("row 3 of the table\nis torn")
        return super().__getitem__(index)


class Headless(Clean):
    """Sample 0 cannot be made."""

    def __getitem__(self, index, /):
        if index == 0:
            raise ValueError("row 0 is torn")
        return super().__getitem__(index)


class Ungrouped(Clean):
    """Samples without a group, every other one without meta."""

    def __getitem__(self, index, /):
        sample = super().__getitem__(index)
        return replace(sample, group=None, meta=sample.meta if index % 2 else {})


DATASETS = {
    "clean": Clean,
    "slow": Slow,
    "corrupt": Corrupt,
    "unreadable": Unreadable,
    "headless": Headless,
    "ungrouped": Ungrouped,
}

for name in DATASETS:
    register("dataset", f"probe-{name}")(easy_vqa.model_copy(update={"name": f"probe-{name}", "tasks": ("probe",)}))
register("dataset", "picky-clean")(
    easy_vqa.model_copy(update={"name": "picky-clean", "tasks": ("picky",), "metrics": ()})
)


@register("task", "probe")
class Probe(VQA):
    card = replace(VQA.card, name="probe", datasets=tuple(f"probe-{name}" for name in DATASETS))

    def load(self, dataset, split):
        return DATASETS[dataset.name.partition("-")[2]](super().load(easy_vqa, split))


@register("task", "picky")
class Picky(Probe):
    """Scored by a metric that refuses one sample."""

    card = replace(VQA.card, name="picky", datasets=("picky-clean",), metrics=("accuracy", "probe-picky"))


@register("metric", "probe-picky")
class PickyAccuracy(Accuracy):
    name = "probe-picky"

    def row(self, prediction, sample):
        if number(sample) == 2:
            raise KeyError("no synonym of the target")
        return super().row(prediction, sample)


def number(sample: Sample) -> int:
    return int(sample.id.rpartition("/")[2])


class Numbered(nn.Module):
    modalities = ("text",)
    labels = ("yes", "no")

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.register_buffer("scale", torch.ones(1))

    @classmethod
    def restore(cls, name, config):
        return cls(name)

    def collate(self, samples):
        numbers = torch.tensor([number(sample) for sample in samples])
        return Batch(len(samples), {"text": numbers}, {"text": numbers >= 0})

    def classify(self, batch):
        odd = batch.inputs["text"] % 2
        return torch.stack([1 - odd, odd], dim=1) * self.scale


@register("model", "probe-numbered")
class Plain(Numbered):
    """Does what it should."""


@register("model", "probe-neighbourly")
class Neighbourly(Numbered):
    """Says yes to all questions of a batch of two and more."""

    def classify(self, batch):
        logits = super().classify(batch)
        return logits if batch.size == 1 else torch.tensor([[1.0, 0.0]]).expand_as(logits)


@register("model", "probe-stumbling")
class Stumbling(Numbered):
    """Fails on question 7."""

    def classify(self, batch):
        if (batch.inputs["text"] == 7).any():
            raise ValueError("cannot stand a 7")
        return super().classify(batch)


@register("model", "probe-helpless")
class Helpless(Numbered):
    """Fails on everything."""

    def classify(self, batch):
        raise ValueError("cannot do a thing")


@register("model", "probe-cramped")
class Cramped(Numbered):
    """Has memory for four samples at a time."""

    def classify(self, batch):
        if batch.size > 4:
            raise torch.OutOfMemoryError("out of memory")
        return super().classify(batch)


@register("model", "probe-bucketed")
class Bucketed(Numbered):
    """Says how long its samples are, so that batches are made by length."""

    def length(self, sample):
        return len(sample.inputs["text"])


@register("model", "probe-embedding")
class Embedding(Numbered):
    """Can only embed."""

    classify = None

    def embed(self, batch, modality):
        return batch.inputs[modality].unsqueeze(1)


@register("model", "probe-listening")
class Listening(Numbered):
    """Takes audio, which no sample here has."""

    modalities = ("audio", "text")
