"""What a fusion model learns from: labels, each modality's own answer, and modalities drawn together."""

import dataclasses
from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.contrastive import contrastive_loss
from mmbench.errors import UsageError
from mmbench.fusion import masked_mean, present
from mmbench.fusion_factory import FusionFactory
from mmbench.fusion_model import IGNORE
from mmbench.model import BuildOptions, Smooths
from mmbench.registry import registry
from mmbench.sample import Audio, Sample

RNG = np.random.default_rng(0)
TEXTS = ["is it red?", "is there a big blue circle?", "what color?"]
ENCODERS = {"image": "cnn,size=32", "text": "embedding", "audio": "mel-cnn,channels=[4]"}


def picture():
    return Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8))


SAMPLES = [
    Sample("both", {"image": picture(), "text": TEXTS[0]}, "yes"),
    Sample("no image", {"text": TEXTS[1]}, "no"),
    Sample("no text", {"image": picture()}, "red"),
    Sample("nothing", {}, "yes"),
    Sample("both too", {"image": picture(), "text": TEXTS[2]}, "no"),
    Sample("unknown", {"image": picture(), "text": TEXTS[1]}, "never seen"),
]
KNOWN = SAMPLES[:5]
DECISION = [name for name in registry.names("fusion") if registry.load("fusion", name).level == "decision"]
TEMPERATURE, SHARE = 0.07, 0.1


def create(fusion, modalities=("image", "text"), samples=KNOWN, representation="independent"):
    torch.manual_seed(0)
    build = BuildOptions({m: ENCODERS[m] for m in modalities}, width=8, representation=representation)
    return FusionFactory(fusion, build=build).create("mine", modalities, samples).eval()


def cross_entropy(logits, targets, smoothing=0.0):
    """By its definition: the target is 1 - ε + ε/C of the right label, ε/C of each other one; the mean over samples."""
    losses = []
    for row, target in zip(logits.double(), targets.tolist(), strict=True):
        if target == IGNORE:
            continue
        log_p = row - row.exp().sum().log()
        wanted = torch.full_like(row, smoothing / len(row))
        wanted[target] += 1 - smoothing
        losses.append(-(wanted * log_p).sum())
    return torch.stack(losses).mean().float()


def encode(model, batch):
    """Tokens and masks of a joint representation."""
    tokens = {m: model.encoders[m](batch.inputs[m], batch.mask[m]) for m in model.modalities}
    return {m: model.shared(x) for m, (x, _) in tokens.items()}, {m: mask for m, (_, mask) in tokens.items()}


# Labels


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_smoothed_cross_entropy_by_its_definition(smoothing):
    model = create("concat")
    assert isinstance(model, Smooths)
    assert model.label_smoothing == 0.0
    model.label_smoothing = smoothing
    batch = model.collate(SAMPLES)
    with torch.no_grad():
        logits, loss = model.classify(batch), model.loss(batch)
    torch.testing.assert_close(loss, cross_entropy(logits, batch.targets, smoothing))
    torch.testing.assert_close(
        loss,
        torch.nn.functional.cross_entropy(logits, batch.targets, ignore_index=IGNORE, label_smoothing=smoothing),
    )


def test_one_model_smooths_and_another_does_not():
    one, other = create("concat"), create("concat")
    one.label_smoothing = 0.5
    assert other.label_smoothing == 0.0


@pytest.mark.parametrize("fusion", ["concat", *DECISION])
@pytest.mark.parametrize("representation", ["independent", "joint"])
def test_nothing_to_learn_from_is_zero(fusion, representation):
    """The mean over no sample would be NaN, and so would all weights after it."""
    model = create(fusion, representation=representation).train()
    empty = [dataclasses.replace(sample, target="never seen") for sample in SAMPLES if len(sample.inputs) < 2]
    loss = model.loss(model.collate(empty))
    loss.backward()
    assert loss == 0.0
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in model.parameters())


# Decision level


@pytest.mark.parametrize("fusion", DECISION)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_each_modality_learns_from_its_own_answers_too(fusion, smoothing):
    model = create(fusion)
    model.label_smoothing = smoothing
    batch = model.collate(SAMPLES)
    with torch.no_grad():
        loss, fused = model.loss(batch), model.classify(batch)
        own = []
        for modality, there in (("image", [0, 2, 4]), ("text", [0, 1, 4])):  # of those whose target is known
            tokens, mask = model.encoders[modality](batch.inputs[modality], batch.mask[modality])
            logits = model.heads[modality](masked_mean(tokens, mask))
            own.append(cross_entropy(logits[there], batch.targets[there], smoothing))
    expected = cross_entropy(fused, batch.targets, smoothing) + (own[0] + own[1]) / 2
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("fusion", DECISION)
def test_modality_that_a_batch_lacks_leaves_the_others_learning(fusion):
    model = create(fusion).train()
    loss = model.loss(model.collate([SAMPLES[1], SAMPLES[3]]))
    loss.backward()
    assert loss.isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)
    assert all(parameter.grad.any() for parameter in model.heads["text"].parameters())
    assert not any(parameter.grad.any() for parameter in model.heads["image"].output.parameters())


# Joint representation


def test_all_modalities_go_through_the_same_layer():
    model = create("sum", representation="joint")
    tokens = []
    model.fusion.register_forward_pre_hook(lambda module, inputs: tokens.append(inputs[0]))
    batch = model.collate(SAMPLES)
    with torch.no_grad():
        model.classify(batch)
        expected, _ = encode(model, batch)
    for modality in ("image", "text"):
        assert torch.equal(tokens[0][modality], expected[modality])
    assert "shared" not in dict(create("sum").named_children())


@pytest.mark.parametrize("fusion", ["concat", "decision-mean"])
def test_alignment_of_the_samples_that_have_both(fusion):
    """The unknown answer aligns too: what belongs together is known without it."""
    model = create(fusion, representation="joint")
    batch = model.collate(SAMPLES)
    with torch.no_grad():
        loss = model.loss(batch)
        features, mask = encode(model, batch)
        one, other = (masked_mean(features[m], mask[m])[[0, 4, 5]] for m in ("image", "text"))
        aligned = contrastive_loss(one, other, scale=1 / TEMPERATURE)
        model.config = dataclasses.replace(model.config, representation="independent")
        model.encoders = torch.nn.ModuleDict({m: Shared(model, m) for m in model.modalities})
        alone = model.loss(batch)
    assert aligned > 0
    torch.testing.assert_close(loss, alone + SHARE * aligned)


class Shared(torch.nn.Module):
    """An encoder and the shared layer after it."""

    def __init__(self, model, modality):
        super().__init__()
        self.encoder, self.layer = model.encoders[modality], model.shared

    def forward(self, inputs, mask):
        tokens, mask = self.encoder(inputs, mask)
        return self.layer(tokens), mask


def test_alignment_is_the_mean_over_pairs_of_modalities():
    sound = Audio(RNG.standard_normal(3000).astype(np.float32), 8000)
    louder = Audio(RNG.standard_normal(5000).astype(np.float32), 8000)
    samples = [
        dataclasses.replace(SAMPLES[0], inputs={**SAMPLES[0].inputs, "audio": sound}),
        dataclasses.replace(SAMPLES[1], inputs={**SAMPLES[1].inputs, "audio": louder}),
        SAMPLES[4],
    ]
    modalities = ("image", "audio", "text")
    model = create("concat", modalities, samples, "joint")
    batch = model.collate(samples)
    with torch.no_grad():
        features, mask = encode(model, batch)
        losses = []
        for pair in combinations(modalities, 2):
            both = present(mask[pair[0]]) & present(mask[pair[1]])
            losses.append(
                contrastive_loss(*(masked_mean(features[m], mask[m])[both] for m in pair), scale=1 / TEMPERATURE)
            )
        expected = cross_entropy(model.classify(batch), batch.targets) + SHARE * sum(losses) / 3
        torch.testing.assert_close(model.loss(batch), expected)
    assert losses[0] == 0.0  # one sample alone has nothing to be told from
    assert losses[2] > 0


def test_alignment_draws_modalities_together():
    model = create("concat", representation="joint").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batch = model.collate([dataclasses.replace(SAMPLES[i], target="never seen") for i in (0, 4, 5)])
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3


@pytest.mark.parametrize("kept", [[3], [1, 2], [0, 1, 2, 3], [1, 3]])
def test_alignment_is_finite_whatever_is_missing(kept):
    model = create("concat", representation="joint").train()
    loss = model.loss(model.collate([SAMPLES[index] for index in kept]))
    loss.backward()
    assert loss.isfinite()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_one_modality_has_nothing_to_be_aligned_with():
    """Alone it is refused; beside a task of two modalities, whose space it shares, it learns from labels only."""
    with pytest.raises(UsageError, match="reads image alone; a joint representation is of several modalities"):
        create("concat", ("image",), representation="joint")
    build = BuildOptions({m: ENCODERS[m] for m in ("image", "text")}, width=8, representation="joint")
    tasks = [(("image", "text"), KNOWN), (("image",), KNOWN)]
    _, model = FusionFactory("concat", build=build).create_together("mine", tasks)
    model.eval()
    batch = model.collate(SAMPLES)
    with torch.no_grad():
        torch.testing.assert_close(model.loss(batch), cross_entropy(model.classify(batch), batch.targets))


def test_joint_representation_restores():
    model = create("film", representation="joint")
    fresh = FusionFactory("film").restore("film", model.stored_config()).eval()
    fresh.load_state_dict(model.state_dict())
    batch = model.collate(SAMPLES)
    with torch.no_grad():
        assert torch.equal(fresh.classify(batch), model.classify(batch))
        assert torch.equal(fresh.loss(batch), model.loss(batch))
