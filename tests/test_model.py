"""The contract of a model: batches and abilities."""

import pytest
import torch

from mmbench.errors import UsageError
from mmbench.model import DEFAULT_BUILD, Batch, BuildOptions, abilities, only


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


EVERYTHING = BuildOptions(
    encoders={"text": "gru"},
    freeze=("text",),
    width=8,
    parameters=9,
    options=("rank=3",),
    representation="joint",
    modalities=("text",),
)


def test_what_was_not_chosen_is_not_refused():
    only("a probe", DEFAULT_BUILD)
    only("a probe", BuildOptions(width=8, freeze=("text",)), "freeze", "width", "options")


@pytest.mark.parametrize(
    ("build", "allowed", "message"),
    [
        (BuildOptions(options=("rank=3",)), (), "a probe takes no --option; its parts are fixed"),
        (
            BuildOptions(options=("rank=3",), representation="joint", width=8),
            ("encoders", "width"),
            "a probe takes no --option or --representation; it takes --encoder, --budget equal-width=D",
        ),
        (
            EVERYTHING,
            (),
            "a probe takes no --encoder or --freeze or --budget equal-width=D or --budget equal-params=N or --option "
            "or --representation or --modality; its parts are fixed",
        ),
    ],
)
def test_what_a_kind_of_model_would_not_heed_is_refused(build, allowed, message):
    with pytest.raises(UsageError) as caught:
        only("a probe", build, *allowed)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("modalities", "message"),
    [((), "modalities must name at least one, or be None for all"), (("text", "text"), "modality text is named twice")],
)
def test_modalities_that_make_no_sense_are_refused(modalities, message):
    with pytest.raises(UsageError) as caught:
        BuildOptions(modalities=modalities)
    assert str(caught.value) == message
