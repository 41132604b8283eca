"""The dual encoder: learns to tell colours apart, embeds each item by itself; and its floor, random directions."""

import copy
import json

import pytest
import torch
from PIL import Image

from mmbench.checkpoint import Header, load_tensors, read_weights, save_weights
from mmbench.contrastive import contrastive_loss
from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.errors import UsageError
from mmbench.model import BuildOptions, Embeds, Model, Ready, Stored, Trains
from mmbench.registry import registry
from mmbench.sample import Sample, Subset
from mmbench_baselines.models.dual_encoder import dual_encoder
from mmbench_baselines.models.random_embedding import random_embedding
from mmbench_tasks.retrieval.task import Retrieval

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
CAPTIONS = {
    "red": ["a red square", "red"],
    "green": ["green", "all of it is green"],
    "blue": ["a blue square"],
    "white": ["white", "a white square"],
}
SMALL = BuildOptions(encoders={"image": "cnn,size=16,channels=[8]"}, width=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four images of one colour each and their captions."""
    folder = tmp_path_factory.mktemp("squares")
    for name, colour in COLOURS.items():
        Image.new("RGB", (4, 4), colour).save(folder / f"{name}.png")
    entries = [{"id": name, "file_name": f"{name}.png", "captions": texts} for name, texts in CAPTIONS.items()]
    (folder / "captions.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def items(folder):
    return Retrieval().load(registry.load("dataset", "captions-json").at(folder), "all")


@pytest.fixture(scope="module")
def pairs(items):
    return Retrieval().training(Subset(items, range(len(items))))


def create(pairs, build=SMALL, seed=0):
    torch.manual_seed(seed)
    return dual_encoder.configured(build).create("dual-encoder", ("image", "text"), pairs)


@pytest.fixture(scope="module")
def learned(pairs):
    """A model that has learned the four images."""
    model = create(pairs)
    batch = model.collate([pairs[index] for index in range(len(pairs))])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    return model.eval()


def embed(model, samples, modality):
    with torch.no_grad():
        return model.embed(model.collate(samples), modality)


def similarities(model, items):
    """Texts [T] to images [I], whatever else each batch holds."""
    samples = [items[index] for index in range(len(items))]
    images, texts = samples[:4], samples[4:]
    return embed(model, texts, "text") @ embed(model, images, "image").T


def test_is_registered_and_keeps_the_contract(pairs):
    assert registry.load("model", "dual-encoder") is dual_encoder
    model = create(pairs)
    assert isinstance(model, Model) and isinstance(model, Embeds) and isinstance(model, Trains)  # noqa: PT018
    assert model.modalities == ("image", "text")
    assert not isinstance(dual_encoder, Ready)


def test_learns_which_text_belongs_to_which_image(learned, items):
    owners = [owner for owner, texts in CAPTIONS.items() for _ in texts]
    found = similarities(learned, items).argmax(dim=1).tolist()
    assert [list(CAPTIONS)[index] for index in found] == owners


def test_vectors_have_length_one(learned, items):
    vectors = embed(learned, [items[0], items[1]], "image")
    assert vectors.shape == (2, 16)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


def test_temperature_is_learned(learned):
    assert learned.log_scale.item() != create_scale()
    assert learned.log_scale.grad is not None


def create_scale():
    """Source: CLIP starts at a temperature of 0.07."""
    return torch.tensor(1 / 0.07).log().item()


def test_temperature_starts_as_in_clip_and_has_a_limit(pairs):
    model = create(pairs)
    assert model.log_scale.item() == pytest.approx(create_scale())
    batch = model.collate([pairs[0], pairs[2], pairs[5]])
    with torch.no_grad():
        model.log_scale.fill_(50.0)
        expected = contrastive_loss(model.embed(batch, "image"), model.embed(batch, "text"), batch.targets, scale=100.0)
        torch.testing.assert_close(model.loss(batch), expected)


def test_texts_of_one_image_are_one_group(pairs):
    """The same number wherever it is computed: that of the group's name, which `hash` would not give."""
    targets = create(pairs).collate([pairs[index] for index in range(5)]).targets
    assert targets.dtype == torch.int64
    red, red_again, green, green_again, blue = targets.tolist()
    assert (red, green) == (red_again, green_again)
    assert len({red, green, blue}) == 3
    assert red == -5623559623985487667


def test_loss_is_the_contrastive_loss_with_groups(learned, pairs):
    batch = learned.collate([pairs[index] for index in range(len(pairs))])
    with torch.no_grad():
        one, other = learned.embed(batch, "image"), learned.embed(batch, "text")
        expected = contrastive_loss(one, other, batch.targets, learned.log_scale.exp())
        torch.testing.assert_close(learned.loss(batch), expected)


def test_samples_that_lack_a_modality_are_left_out_of_the_loss(learned, pairs, items):
    whole = [pairs[0], pairs[3]]
    with torch.no_grad():
        expected = learned.loss(learned.collate(whole))
        mixed = learned.loss(learned.collate([items[1], *whole, items[8]]))
        torch.testing.assert_close(mixed, expected)
        assert learned.loss(learned.collate([items[1], items[8]])) == 0.0


def test_batches_change_no_vector(learned, items):
    """A text alone, and beside longer ones and images."""
    samples = [items[index] for index in range(len(items))]
    for modality in learned.modalities:
        together = embed(learned, samples, modality)
        for index, sample in enumerate(samples):
            if modality in sample.inputs:
                torch.testing.assert_close(embed(learned, [sample], modality)[0], together[index])


def test_missing_modality_gives_finite_vectors(learned, items):
    for modality, index in (("image", 8), ("text", 0)):
        assert embed(learned, [items[index], Sample("none", {})], modality).isfinite().all()


def test_length_is_that_of_the_text(learned, items):
    assert [learned.length(items[index]) for index in (0, 4, 5)] == [0, 3, 1]


def test_half_precision_gives_float32_vectors(learned, items):
    half = copy.deepcopy(learned).bfloat16()
    vectors = embed(half, [items[0]], "image")
    assert vectors.dtype == torch.float32
    assert (vectors @ embed(learned, [items[0]], "image").T).item() > 0.99


def test_weights_restore_the_model(learned, items, tmp_path):
    assert isinstance(learned, Stored)
    path = tmp_path / "dual.safetensors"
    save_weights(path, learned, Header("dual-encoder", learned.stored_config(), {}))
    header, tensors = read_weights(path)
    again = dual_encoder.restore("dual-encoder", header.config)
    load_tensors(again, tensors, path)
    torch.testing.assert_close(similarities(again.eval(), items), similarities(learned, items))


def test_encoder_of_a_weights_file(learned, pairs, tmp_path):
    path = tmp_path / "dual.safetensors"
    save_weights(path, learned, Header("dual-encoder", learned.stored_config(), {}))
    build = BuildOptions(encoders={"image": f"from:{path}"}, freeze=("image",), width=16)
    model = create(pairs, build, seed=1)
    for name, tensor in learned.encoders["image"].state_dict().items():
        assert torch.equal(model.encoders["image"].state_dict()[name], tensor)
    model.train()
    batch = model.collate([pairs[index] for index in range(len(pairs))])
    model.loss(batch).backward()
    assert all(p.grad is None for p in model.encoders["image"].parameters())
    assert all(p.grad is not None for p in model.heads.parameters())
    assert model.stored_config()["frozen"] == ["image"]


@pytest.mark.parametrize("encoder", ["embedding", "lstm", "transformer,layers=1"])
def test_other_encoders(pairs, items, encoder):
    model = create(pairs, BuildOptions(encoders={**SMALL.encoders, "text": encoder}, width=12)).eval()
    assert similarities(model, items).shape == (7, 4)


def test_default_size(pairs):
    """About a megabyte as float32."""
    model = dual_encoder.create("dual-encoder", ("image", "text"), pairs)
    assert sum(p.numel() for p in model.parameters()) < 300_000


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (BuildOptions(parameters=1000), "takes no --budget equal-params"),
        (BuildOptions(representation="joint"), "takes no --representation"),
        (BuildOptions(options=("layers=3",)), "takes no --option"),
    ],
)
def test_what_cannot_be_set_is_refused(build, message):
    with pytest.raises(UsageError, match=message):
        dual_encoder.configured(build)


@pytest.mark.parametrize("modalities", [("image",), ("image", "text", "audio")])
def test_other_numbers_of_modalities_are_refused(pairs, modalities):
    with pytest.raises(UsageError, match="puts two modalities into one space, not image"):
        dual_encoder.create("dual-encoder", modalities, pairs)


@pytest.mark.parametrize("config", [{}, {"encoders": []}, {"encoders": {}, "fusion": "sum"}])
def test_configuration_of_another_model_is_refused(config):
    with pytest.raises(UsageError, match="the stored configuration is of no dual encoder"):
        dual_encoder.restore("dual-encoder", config)


def test_random_vectors_depend_on_the_item_alone(items):
    assert registry.load("model", "random-embedding") is random_embedding
    model, other = random_embedding.open("floor"), random_embedding.open("another")
    samples = [items[index] for index in range(len(items))]
    together = model.embed(model.collate(samples), "text")
    torch.testing.assert_close(together.norm(dim=1), torch.ones(len(items)))
    assert len({tuple(row) for row in together.tolist()}) == len(items)
    for index in range(4, len(items)):
        alone = other.collate([samples[index]])
        assert torch.equal(other.embed(alone, "text")[0], together[index])
        assert (alone.mask["text"].item(), alone.mask["image"].item()) == (True, False)


def test_random_vectors_are_at_chance(tmp_path):
    """Of 1,000 images one is first, and ten are among the first ten, by chance; an image's five texts are five chances.

    No image is there, for the floor opens none.
    """
    entries = [{"file_name": f"{n}.png", "captions": [f"{n} {k}" for k in range(5)]} for n in range(1000)]
    (tmp_path / "captions.json").write_text(json.dumps(entries), encoding="utf-8")
    options = EvalOptions(batch_size=1000, workers=0, device="cpu", threads=1, invariance=0)
    record = evaluate(
        "random-embedding",
        "retrieval",
        dataset="captions-json",
        data=tmp_path,
        options=options,
        output=tmp_path / "out",
    ).record
    values = {name: metric.value for name, metric in record.metrics.items()}
    assert 0.0 <= values["text_to_image_r_at_1"] < 0.003
    assert 0.006 < values["text_to_image_r_at_10"] < 0.014
    assert 480 < values["text_to_image_median_rank"] < 520
    assert values["image_to_text_r_at_10"] < 0.03
    assert record.model.weights is None
