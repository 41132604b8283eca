"""The contract of a model: batches and abilities."""

import pytest
import torch

from mmbench.model import Batch, abilities


@pytest.fixture
def batch():
    return Batch(
        3,
        {"image": torch.arange(12).reshape(3, 4).to(torch.uint8), "text": torch.arange(6).reshape(3, 2)},
        {"image": torch.tensor([True, False, True]), "text": torch.ones(3, 2, dtype=torch.bool)},
        torch.tensor([0, 1, -100]),
    )


def tensors(batch):
    return [*batch.inputs.values(), *batch.mask.values(), *(() if batch.targets is None else (batch.targets,))]


def test_moves_everything_and_keeps_dtypes(batch):
    moved = batch.to("meta")
    assert {tensor.device.type for tensor in tensors(moved)} == {"meta"}
    assert [tensor.dtype for tensor in tensors(moved)] == [tensor.dtype for tensor in tensors(batch)]
    assert {tensor.device.type for tensor in tensors(batch)} == {"cpu"}
    assert len(moved) == 3


def test_part_takes_samples_with_their_padding(batch):
    part = batch.part(1, 3)
    assert len(part) == part.size == 2
    assert part.inputs["text"].tolist() == [[2, 3], [4, 5]]
    assert part.mask["image"].tolist() == [False, True]
    assert part.targets.tolist() == [1, -100]
    assert len(batch.part(1, 1)) == 0


def test_batch_without_tensors():
    empty = Batch(5, {}, {})
    assert len(empty.part(0, 2)) == 2
    assert empty.to("meta").targets is None


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_pins_everything(batch):
    assert all(tensor.is_pinned() for tensor in tensors(batch.pin_memory()))


class Named:
    """A model that can do nothing."""

    name = "named"
    modalities = ("text",)

    def collate(self, samples):
        return Batch(len(samples), {}, {})


class Both(Named):
    """Classifies and embeds."""

    labels = ("a",)

    def classify(self, batch):
        return torch.zeros(batch.size, 1)

    def embed(self, batch, modality):
        return torch.zeros(batch.size, 2)


class Unlabelled(Named):
    """Has classify, and no labels to classify into."""

    def classify(self, batch):
        return torch.zeros(batch.size, 1)


class Writer(Named):
    """Generates."""

    def generate(self, batch):
        return [""] * batch.size


@pytest.mark.parametrize(
    ("model", "expected"), [(Named, ()), (Both, ("classify", "embed")), (Unlabelled, ()), (Writer, ("generate",))]
)
def test_abilities(model, expected):
    assert abilities(model()) == expected
