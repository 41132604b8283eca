"""FusionModel: encoders, any registered fusion and a head; what is missing is masked, and stages are marked."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.checkpoint import Header, load_tensors, read_weights, save_weights
from mmbench.encoder import EncoderConfig
from mmbench.errors import UsageError
from mmbench.fusion import present
from mmbench.fusion_factory import FusionFactory
from mmbench.fusion_model import FusionConfig, FusionModel
from mmbench.model import Batch, BuildOptions, Classifies, Model, Stored, Trains
from mmbench.profile.stage_times import record_stages
from mmbench.registry import registry
from mmbench.sample import Sample

FUSIONS = registry.names("fusion")
RNG = np.random.default_rng(0)
QUESTIONS = ["is it red?", "is there a big blue circle?", "what color?"]


def picture():
    return Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))


SAMPLES = [
    Sample("both", {"image": picture(), "text": QUESTIONS[0]}, "yes"),
    Sample("no image", {"text": QUESTIONS[1]}, "no"),
    Sample("no text", {"image": picture()}, "red"),
    Sample("nothing", {}, "yes"),
    Sample("both too", {"image": picture(), "text": QUESTIONS[1]}, "never seen"),
]


@pytest.fixture(params=FUSIONS)
def model(request):
    torch.manual_seed(0)
    return FusionFactory(request.param).create(request.param, ("image", "text"), SAMPLES[:4]).eval()


@pytest.fixture
def concat():
    torch.manual_seed(0)
    return FusionFactory("concat").create("concat", ("image", "text"), SAMPLES[:4]).eval()


def logits(model, batch):
    with torch.no_grad():
        return model.classify(batch)


def test_keeps_the_contract(model):
    for protocol in (Model, Classifies, Trains, Stored):
        assert isinstance(model, protocol)
    assert model.labels == ("no", "red", "yes")
    assert model.modalities == ("image", "text")
    assert logits(model, model.collate(SAMPLES)).shape == (5, 3)


def test_missing_modality_is_masked_and_its_value_does_not_matter(model):
    batch = model.collate(SAMPLES)
    assert batch.mask["image"].tolist() == [True, False, True, False, True]
    assert batch.mask["text"].any(dim=1).tolist() == [True, True, False, False, True]
    before = logits(model, batch)
    image = batch.inputs["image"].clone()
    image[~batch.mask["image"]] = 255
    text = torch.where(batch.mask["text"], batch.inputs["text"], 2)
    for changed in ({"image": image}, {"text": text}, {"image": image, "text": text}):
        after = logits(model, dataclasses.replace(batch, inputs={**batch.inputs, **changed}))
        torch.testing.assert_close(after, before)


def test_value_that_is_there_does_matter(model):
    batch = model.collate(SAMPLES)
    before = logits(model, batch)
    changes = {"image": 255 - batch.inputs["image"], "text": (batch.inputs["text"] > 0).long()}
    for modality, value in changes.items():
        after = logits(model, dataclasses.replace(batch, inputs={**batch.inputs, modality: value}))
        moved = (after - before).abs().amax(dim=1) > 1e-6
        there = batch.mask[modality] if modality == "image" else present(batch.mask[modality])
        assert moved.tolist() == there.tolist()


def test_sample_without_any_modality_is_finite(model):
    assert logits(model, model.collate(SAMPLES)).isfinite().all()
    assert logits(model, model.collate([Sample("nothing", {}), Sample("nothing too", {})])).isfinite().all()


def test_gradients_stay_finite_with_what_is_missing(model):
    model.train()
    loss = model.loss(model.collate(SAMPLES))
    loss.backward()
    assert loss.isfinite()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_sample_does_not_depend_on_its_neighbours(model):
    together = logits(model, model.collate(SAMPLES))
    for row, sample in enumerate(SAMPLES):
        torch.testing.assert_close(
            logits(model, model.collate([sample])), together[row : row + 1], rtol=1e-4, atol=1e-5
        )


def test_restores_from_plain_json(model):
    config = json.loads(json.dumps(model.stored_config()))
    assert FusionConfig.from_json(config) == model.config
    fresh = FusionFactory(model.config.fusion).restore(model.name, config).eval()
    fresh.load_state_dict(model.state_dict())
    batch = model.collate(SAMPLES)
    assert torch.equal(logits(fresh, fresh.collate(SAMPLES)), logits(model, batch))


def test_stages_are_marked_in_order_and_nothing_outside(model):
    batch = model.collate(SAMPLES)
    tail = ["head", "fuse"] if registry.load("fusion", model.name).level == "decision" else ["fuse", "head"]
    with record_stages() as times:
        logits(model, batch)
        logits(model, batch)
    logits(model, batch)
    assert list(times.seconds) == ["encode.image", "encode.text", *tail]
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in times.seconds.values())


def test_targets_are_label_numbers_and_unknown_ones_are_left_out(concat):
    batch = concat.collate(SAMPLES)
    assert batch.targets.tolist() == [2, 0, 1, 2, -100]
    known = concat.collate(SAMPLES[:4])
    with torch.no_grad():
        torch.testing.assert_close(concat.loss(batch), concat.loss(known))


def test_length_counts_what_is_there(concat):
    assert [concat.length(sample) for sample in SAMPLES] == [4, 7, 0, 0, 7]
    assert concat.length(Sample("given as none", {"text": None})) == 0


def test_loss_is_cross_entropy(concat):
    """Reference: minus the mean log-probability of the targets, from the softmax."""
    batch = concat.collate(SAMPLES[:4])
    p = logits(concat, batch).softmax(dim=1)[range(4), batch.targets]
    with torch.no_grad():
        torch.testing.assert_close(concat.loss(batch), -p.log().mean())


def test_batch_without_targets_has_no_loss(concat):
    batch = dataclasses.replace(concat.collate(SAMPLES), targets=None)
    assert isinstance(batch, Batch)
    with pytest.raises(ValueError, match="without targets has no loss"):
        concat.loss(batch)


def test_default_encoders_are_stored_by_their_own_names(concat):
    assert {modality: encoder.name for modality, encoder in concat.config.encoders.items()} == {
        "image": "cnn",
        "text": "gru",
    }
    assert "circle" in concat.config.encoders["text"].options["vocabulary"]


def test_decision_level_has_a_head_for_each_modality():
    model = FusionFactory("decision-mean").create("decision-mean", ("image", "text"), SAMPLES[:4])
    assert set(model.heads) == {"image", "text"}
    assert model.fusion.width == len(model.labels)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (FusionFactory("sum"), "the weights hold a 'concat' fusion of image, text; model 'mine' is a 'sum' fusion"),
        (FusionFactory("concat", ("text",)), "fusion of image, text; model 'mine' is a 'concat' fusion of text"),
    ],
)
def test_configuration_of_another_model_is_refused(concat, factory, message):
    with pytest.raises(UsageError, match=message):
        factory.restore("mine", concat.stored_config())


def test_encoder_that_is_not_registered():
    with pytest.raises(UsageError, match="unknown encoder 'gruu'; did you mean 'gru'"):
        FusionModel("mine", FusionConfig("concat", {"text": EncoderConfig("gruu")}, ["a", "b"]))


@pytest.mark.parametrize("name", ["concat", "vote"])
@pytest.mark.parametrize(
    ("give", "shape"),
    [
        (lambda features, mask: features["image"], r"\[2, 16?, (64|3)\]"),
        (lambda features, mask: features["image"][:1, 0], r"\[1, (64|3)\]"),
        (lambda features, mask: features["image"][:, 0, :2], r"\[2, 2\]"),
    ],
    ids=["tokens", "fewer samples", "narrower"],
)
def test_fusion_of_the_wrong_shape_is_told_what_is_expected(name, give, shape):
    class Wrong(registry.load("fusion", name)):
        def forward(self, features, mask):
            return give(features, mask)

    model = FusionFactory(name).create(name, ("image", "text"), SAMPLES[:4]).eval()
    model.fusion = Wrong(("image", "text"), model.fusion.width)
    expected = rf"expected \[B, D\] = \[2, {model.fusion.width}\]"
    with pytest.raises(UsageError, match=rf"fusion '{name}' returned {shape}; {expected}"):
        model(model.collate(SAMPLES[:2]))


def test_names_of_stored_tensors_are_stable():
    """Weights files hold them: a name that changes makes every file useless."""
    names = set(FusionFactory("concat").create("concat", ("image", "text"), SAMPLES).state_dict())
    assert {name.rpartition(".")[0] for name in names if not name.startswith("encoders.")} == {
        "fusion.mix",
        "heads.fused.hidden",
        "heads.fused.output",
    }
    assert {"encoders.image.layers.0.0.weight", "encoders.text.gru.weight_ih_l0"} <= names
    build = BuildOptions(parameters=150_000, representation="joint")
    more = set(FusionFactory("concat", build=build).create("concat", ("image", "text"), SAMPLES).state_dict()) - names
    assert {name.rpartition(".")[0] for name in more} == {"adapters.image", "adapters.text", "shared"}
    decides = FusionFactory("decision-weighted").create("x", ("image", "text"), SAMPLES).state_dict()
    heads = {name.rpartition(".")[0] for name in decides if name.startswith("heads.")}
    assert heads == {f"heads.{m}.{layer}" for m in ("image", "text") for layer in ("hidden", "output")}


@pytest.mark.parametrize("modalities", [("text", "image"), ("image", "text")])
def test_modalities_keep_their_order_in_a_weights_file(tmp_path, modalities):
    """The first of FiLM's modalities is its content: in another order the same weights are another model."""
    torch.manual_seed(0)
    model = FusionFactory("film").create("film", modalities, SAMPLES).eval()
    path = tmp_path / "film.safetensors"
    save_weights(path, model, Header("film", model.stored_config(), {}))
    header, tensors = read_weights(path)
    fresh = FusionFactory("film").restore("film", header.config).eval()
    load_tensors(fresh, tensors, path)
    assert fresh.modalities == fresh.fusion.modalities == modalities
    assert torch.equal(logits(fresh, fresh.collate(SAMPLES)), logits(model, model.collate(SAMPLES)))


@pytest.mark.parametrize("config", [{}, {"encoders": []}, {"encoders": {"image": "cnn"}}, {"encoders": {}, "depth": 3}])
def test_configuration_of_no_fusion_model(config):
    with pytest.raises(UsageError, match="the stored configuration is of no fusion model"):
        FusionFactory("concat").restore("concat", config)


def test_configuration_from_before_there_were_choices_still_restores(concat):
    old = {key: concat.stored_config()[key] for key in ("fusion", "encoders", "labels", "width", "options")}
    fresh = FusionFactory("concat").restore("concat", old).eval()
    fresh.load_state_dict(concat.state_dict())
    assert torch.equal(logits(fresh, fresh.collate(SAMPLES)), logits(concat, concat.collate(SAMPLES)))
