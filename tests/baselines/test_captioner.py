"""The captioner: learns captions word by word, reads no word before its turn, and treats each sample by itself."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from mmbench.errors import UsageError
from mmbench.model import Batch, BuildOptions, Configurable, Generates, Model, Smooths, Stored, Trains
from mmbench.profile.clock import HostClock
from mmbench.profile.generation import measure_generation
from mmbench.profile.stage_times import record_stages
from mmbench.registry import registry
from mmbench.sample import Sample
from mmbench_baselines.models.caption_words import PADDING
from mmbench_baselines.models.captioner import Captioner, CaptionerFactory, CaptionerOptions

COLOURS = {
    "A red card.": (200, 0, 0),
    "The card, which is green; no other one": (0, 200, 0),
    "blue": (0, 0, 200),
    "a grey-ish card lies there, and that's all there is": (120, 120, 120),
}
SAMPLES = [
    Sample(str(number), {"image": Image.new("RGB", (64, 64), colour)}, caption)
    for number, (caption, colour) in enumerate(COLOURS.items())
]
MISSING = Sample("missing", {}, "Nothing at all.")


def make(*options, **build):
    torch.manual_seed(0)
    small = {"width": 32, "encoders": {"image": "cnn,size=32"}, "options": options or ("least=1",)}
    factory = CaptionerFactory().configured(BuildOptions(**small | build))
    return factory.create("captioner", ("image",), [*SAMPLES, MISSING])


@pytest.fixture
def model():
    """With random weights, moved a little so that nothing stands at zero."""
    captioner = make().eval()
    with torch.no_grad():
        for parameter in captioner.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return captioner


@pytest.fixture(scope="module")
def trained():
    """After some steps on the four samples and one without an image."""
    captioner = make()
    captioner.train()
    optimizer = torch.optim.AdamW(captioner.parameters(), lr=3e-3)
    batch = captioner.collate([*SAMPLES, MISSING])
    for _ in range(80):
        optimizer.zero_grad()
        captioner.loss(batch).backward()
        optimizer.step()
    return captioner.eval()


def logits(model, batch):
    with torch.no_grad():
        return model(batch)


def test_keeps_the_contract(model):
    for protocol in (Model, Generates, Trains, Stored, Smooths):
        assert isinstance(model, protocol)
    assert model.modalities == ("image",)
    factory = registry.load("model", "captioner")
    assert isinstance(factory, Configurable)
    assert isinstance(factory.create("captioner", ("image",), SAMPLES), Captioner)


def test_learns_captions_to_the_letter(trained):
    captions = trained.generate(trained.collate(SAMPLES))
    assert captions == [caption.lower() for caption in COLOURS]


def test_a_missing_image_has_a_caption_too(trained, model):
    assert trained.generate(trained.collate([MISSING, SAMPLES[0]])) == ["nothing at all.", "a red card."]
    batch = model.collate([MISSING, SAMPLES[0]])
    assert batch.mask["image"].tolist() == [False, True]
    assert logits(model, batch).isfinite().all()
    changed = {"image": torch.full_like(batch.inputs["image"], 255)}
    same = logits(model, dataclasses.replace(batch, inputs=changed)) == logits(model, batch)
    assert same[0].all()
    assert not same[1].all()


def test_no_word_reads_those_after_it(model):
    batch = model.collate(SAMPLES)
    before = logits(model, batch)
    for position in (1, 3):
        targets = batch.targets.clone()
        targets[:, position:] = targets[:, position:].roll(1, dims=0)
        after = logits(model, dataclasses.replace(batch, targets=targets))
        torch.testing.assert_close(after[:, : position + 1], before[:, : position + 1])
        assert not torch.allclose(after[:, position + 1 :], before[:, position + 1 :])


def test_word_after_word_gives_what_all_at_once_gives(model):
    batch = model.collate(SAMPLES)
    expected = logits(model, batch)
    words = F.pad(batch.targets[:, :-1], (1, 0), value=1)
    with torch.no_grad():
        state = model.decoder.start(*model._memory(batch))
        parts = [model.decoder(part, state) for part in words.split([1, 3, words.shape[1] - 4], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), expected)


def test_loss_of_a_batch_is_the_mean_of_those_of_its_samples(model):
    alone = [model.collate([sample]) for sample in SAMPLES]
    assert len({batch.targets.shape[1] for batch in alone}) > 1
    with torch.no_grad():
        losses = torch.stack([model.loss(batch) for batch in alone])
        torch.testing.assert_close(model.loss(model.collate(SAMPLES)), losses.mean())
        padded = dataclasses.replace(alone[0], targets=F.pad(alone[0].targets, (0, 5), value=PADDING))
        torch.testing.assert_close(model.loss(padded), losses[0])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_of_a_caption_by_its_definition(model, smoothing):
    """Reference: the mean of -(1 - e) log p(right word) - e mean(log p), as of Szegedy et al. 2016."""
    batch = model.collate(SAMPLES[1:2])
    model.label_smoothing = smoothing
    with torch.no_grad():
        log_p = logits(model, batch)[0].log_softmax(dim=-1)
        right = log_p[torch.arange(len(log_p)), batch.targets[0]]
        expected = -((1 - smoothing) * right + smoothing * log_p.mean(dim=-1)).mean()
        torch.testing.assert_close(model.loss(batch), expected)


def test_batches_change_no_caption(trained, model):
    samples = [*SAMPLES, MISSING]
    rng = np.random.default_rng(0)
    samples += [
        Sample(f"noise {n}", {"image": Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))})
        for n in range(6)
    ]
    for captioner in (trained, model):
        together = captioner.generate(captioner.collate(samples))
        assert together == [captioner.generate(captioner.collate([sample]))[0] for sample in samples]
        assert together == captioner.generate(captioner.collate(samples))


def test_targets_are_not_needed_to_generate(trained):
    hidden = [dataclasses.replace(sample, target=None) for sample in SAMPLES]
    batch = trained.collate(hidden)
    assert batch.targets is None
    assert trained.generate(batch) == trained.generate(trained.collate(SAMPLES))
    several = [dataclasses.replace(sample, target=["one", "two"]) for sample in SAMPLES]
    assert trained.generate(trained.collate(several)) == trained.generate(batch)
    with pytest.raises(ValueError, match="without targets"):
        trained.loss(batch)


def test_some_samples_without_targets_have_no_share_in_the_loss(model):
    samples = [SAMPLES[0], dataclasses.replace(SAMPLES[1], target=None)]
    with torch.no_grad():
        loss = model.loss(model.collate(samples))
        torch.testing.assert_close(loss, model.loss(model.collate(samples[:1])))
        assert model.loss(model.collate(samples).part(1, 2)) == 0


def test_every_parameter_learns(model):
    model.loss(model.collate(SAMPLES)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_restores_from_what_is_stored(trained):
    fresh = CaptionerFactory().restore("captioner", json.loads(json.dumps(trained.stored_config()))).eval()
    fresh.load_state_dict(trained.state_dict())
    assert fresh.stored_config() == trained.stored_config()
    batch = trained.collate(SAMPLES)
    assert torch.equal(logits(fresh, batch), logits(trained, batch))
    assert fresh.generate(batch) == trained.generate(batch)


def test_a_configuration_of_another_model_is_refused():
    with pytest.raises(UsageError, match="of no captioner"):
        CaptionerFactory().restore("captioner", {"labels": ["yes", "no"]})


def test_rare_words_are_not_known_and_never_said():
    captioner = make("least=2")
    assert "card" in captioner.config.words
    assert "blue" not in captioner.config.words
    with torch.no_grad():  # a model that would like to say nothing else
        captioner.decoder.norm.weight.zero_()
        captioner.decoder.norm.bias.copy_(100 * captioner.decoder.words.weight[3])
    (caption,) = captioner.eval().generate(captioner.collate(SAMPLES[:1]))
    assert set(caption.split()) <= set(captioner.config.words)


def test_captions_end_at_the_longest_of_training(model):
    with torch.no_grad():  # a model that never ends
        model.decoder.norm.weight.zero_()
        model.decoder.norm.bias.copy_(100 * model.decoder.words.weight[10])
    assert model.config.longest == 11
    captions = model.generate(model.collate(SAMPLES))
    assert [len(caption.split()) for caption in captions] == [11] * 4


def test_default_image_encoder_has_fine_tokens():
    captioner = make(encoders={}).eval()
    batch = captioner.collate(SAMPLES[:2])
    memory, mask = captioner._memory(batch)
    assert memory.shape == (2, 1 + 12 * 12, 32)
    assert mask.all()


def test_tokens_know_their_place(model):
    memory, _ = model._memory(model.collate(SAMPLES[:1]))
    assert len(memory[0].detach().unique(dim=0)) == memory.shape[1]


def test_takes_the_encoders_and_sizes_of_the_user():
    captioner = make(width=20, encoders={"image": "cnn,size=48"}, freeze=("image",))
    assert captioner.config.encoders["image"].options == {"size": 48}
    assert captioner.config.frozen == ["image"]
    assert not any(parameter.requires_grad for parameter in captioner.encoders["image"].parameters())
    assert captioner.decoder.words.weight.requires_grad
    assert captioner.collate(SAMPLES).inputs["image"].shape == (4, 3, 48, 48)
    assert captioner.loss(captioner.collate(SAMPLES)).isfinite()


def test_takes_options():
    captioner = make("beam=3", "layers=1", "dropout=0")
    assert captioner.config.options == CaptionerOptions(beam=3, layers=1, dropout=0.0)
    assert len(captioner.decoder.blocks) == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("beams=3", "did you mean 'beam'"),
        ("beam=0", "option beam of a captioner must be at least 1, not 0"),
        ("dropout=1", "must be at least 0 and below 1"),
        ("layers=many", "layers=many"),
    ],
)
def test_refuses_wrong_options(option, message):
    with pytest.raises(UsageError, match=message):
        make(option)


@pytest.mark.parametrize("build", [{"parameters": 100_000}, {"representation": "joint"}])
def test_refuses_what_a_captioner_does_not_have(build):
    with pytest.raises(UsageError, match="a captioner takes no"):
        CaptionerFactory().configured(BuildOptions(**build))


def test_half_precision_says_something(trained):
    half = CaptionerFactory().restore("captioner", trained.stored_config())
    half.load_state_dict(trained.state_dict())
    half = half.eval().bfloat16()
    assert half.generate(half.collate(SAMPLES)) == trained.generate(trained.collate(SAMPLES))


def test_marks_its_stages(model):
    """Each word after the first is one entry of `decode`; the first belongs to what reads the image."""
    batch = model.collate(SAMPLES)
    with record_stages() as times:
        captions = model.generate(batch)
    assert list(times.seconds) == ["encode.image", "prefill", "decode"]
    assert len(times.seconds["decode"]) >= max(len(caption.split()) for caption in captions) - 1
    assert all(span.inside is None for span in times.spans)


def test_words_of_a_request_are_its_entries(model):
    with torch.no_grad():  # a model that never ends
        model.decoder.norm.weight.zero_()
        model.decoder.norm.bias.copy_(100 * model.decoder.words.weight[10])
    found = measure_generation(model.generate, [model.collate([sample]) for sample in SAMPLES], HostClock())
    assert found.tokens == 4 * model.config.longest
    assert found.first_token_s.value > 0
    assert found.tokens_per_s.value > 0


def test_decoder_has_the_parameters_of_its_formula(model):
    words, longest, d, e = len(model.words), model.config.longest, 32, model.config.options.expansion
    expected = (words + longest + 1) * d + model.config.options.layers * ((8 + 2 * e) * d**2 + (13 + e) * d) + 2 * d
    assert sum(parameter.numel() for parameter in model.decoder.parameters()) == expected


def test_batch_parts_keep_their_words(model):
    batch = model.collate(SAMPLES)
    assert isinstance(batch, Batch)
    assert torch.equal(batch.part(1, 3).targets, batch.targets[1:3])
