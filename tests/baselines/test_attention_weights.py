"""The attention that fusions tell: it is what they use, it sums to one, and telling changes nothing."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import mmbench_baselines.weights
from mmbench.attention import MODALITIES, Grid, Steps, record_attention
from mmbench.engine.models import load_model
from mmbench.fusion import masked_mean, present
from mmbench.registry import registry
from mmbench.sample import Audio
from mmbench_baselines.fusions.transformer_block import TransformerBlock, attention_weights
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

SHIPPED = Path(mmbench_baselines.weights.__path__[0]) / "vqa" / "easy-vqa"
TOLD = ["cross-attention", "self-attention", "bottleneck", "attention", "weighted", "gated"]
NAMES = ("image", "text", "audio")


@pytest.fixture(scope="module")
def batch():
    """Five questions of easy-VQA, of unequal lengths; one lacks its image, one its text."""
    samples = VQA().load(easy_vqa, "test")
    return [samples[index] for index in (0, 3, 12, 14, 20)]


def shipped(name):
    return load_model(name, "vqa", "easy-vqa", SHIPPED / f"{name}.safetensors").model.eval()


def collated(model, samples):
    found = model.collate(samples)
    found.mask["image"][1] = False
    found.mask["text"][2] = False
    return found


def random(batch=4, width=8):
    torch.manual_seed(0)
    features = {m: torch.randn(batch, count, width) for m, count in zip(NAMES, (3, 5, 2), strict=True)}
    mask = {m: torch.ones(x.shape[:2], dtype=torch.bool) for m, x in features.items()}
    mask["text"][1, 3:] = False
    mask["image"][2] = False
    for missing in mask.values():
        missing[3] = False
    return features, mask


@torch.no_grad()
def told_by(fusion, features, mask):
    with record_attention() as told:
        fusion(features, mask)
    return told


@pytest.mark.parametrize("name", registry.names("fusion"))
def test_a_fusion_tells_attention_if_and_only_if_it_says_so(name):
    cls = registry.load("fusion", name)
    modalities = NAMES[:2]
    features, mask = random()
    if cls.level == "decision":
        features, mask = {m: x[:, :1] for m, x in features.items()}, {m: x[:, :1] for m, x in mask.items()}
    fusion = cls(modalities, 8).eval()
    assert bool(told_by(fusion, {m: features[m] for m in modalities}, {m: mask[m] for m in modalities})) == cls.attends
    assert cls.attends == (name in TOLD)


@pytest.mark.parametrize("name", TOLD)
def test_rows_sum_to_one_over_what_is_there_and_nothing_lies_under_a_mask(name):
    features, mask = random()
    told = told_by(registry.load("fusion", name)(NAMES, 8).eval(), features, mask)
    for each in told:
        there = torch.cat(list(each.key.values()), dim=1)
        assert each.weights.isfinite().all()
        assert (each.weights >= 0).all()
        sums = each.weights.sum(dim=-1)
        expected = present(there)[:, None, None].expand_as(sums).float()
        torch.testing.assert_close(sums, expected)
        hidden = ~there[:, None, None].expand_as(each.weights) & present(there)[:, None, None, None]
        assert (each.weights[hidden] == 0).all()


@pytest.mark.parametrize("name", TOLD)
def test_recording_changes_no_bit_of_the_logits(name, batch):
    model = shipped(name)
    given = collated(model, batch)
    with torch.inference_mode():
        plain = model.classify(given)
        with record_attention() as told:
            recorded = model.classify(given)
    assert told
    assert torch.equal(plain, recorded)


def test_names_of_what_asks_and_answers():
    features, mask = random()

    def names(name):
        told = told_by(registry.load("fusion", name)(NAMES, 8).eval(), features, mask)
        return [(each.name, tuple(each.query), tuple(each.key)) for each in told]

    assert names("cross-attention")[:3] == [
        ("layer 1", ("image",), ("text",)),
        ("layer 1", ("image",), ("audio",)),
        ("layer 1", ("text",), ("image",)),
    ]
    everything = ("fused", *NAMES)
    assert names("self-attention") == [(f"layer {n}", everything, everything) for n in (1, 2)]
    pairs = [(m, "bottleneck") for m in NAMES]
    assert names("bottleneck") == [(f"layer {n}", pair, pair) for n in (1, 2) for pair in pairs]
    assert names("attention") == names("weighted") == [("weights", ("fused",), (MODALITIES,))]
    assert names("gated") == [("gates", ("fused",), (MODALITIES,))]


@pytest.mark.parametrize("name", ["cross-attention", "self-attention", "bottleneck"])
def test_weights_times_values_are_what_the_block_merges(name, batch):
    """Reference: `scaled_dot_product_attention`, whose answer each block hands to its layer `merge`."""
    model = shipped(name)
    values, answers = [], []

    def keep_value(_, __, out):
        values.append(out)

    def keep_answer(_, given):
        answers.append(given[0])

    for module in model.fusion.modules():
        if hasattr(module, "merge"):
            module.value.register_forward_hook(keep_value)
            module.merge.register_forward_pre_hook(keep_answer)
    given = collated(model, batch)
    with torch.inference_mode(), record_attention() as told:
        model.classify(given)
    assert len(told) == len(values) == len(answers) > 0
    for each, value, answer in zip(told, values, answers, strict=True):
        mine = each.weights @ value.unflatten(-1, (each.weights.shape[1], -1)).transpose(1, 2)
        some = present(torch.cat(list(each.key.values()), dim=1))  # without a key the block drops the answer
        torch.testing.assert_close(mine.transpose(1, 2).flatten(2)[some], answer[some], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_weights_agree_with_scaled_dot_product_attention(seed):
    generator = torch.Generator().manual_seed(seed)
    query, key, value = (torch.randn(3, 2, n, 5, generator=generator) for n in (4, 6, 6))
    mask = torch.rand(3, 1, 1, 6, generator=generator) < 0.6
    mask[..., 0] = True
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    torch.testing.assert_close(attention_weights(query, key, mask) @ value, expected)


def test_block_weights_are_those_of_torch():
    """Reference: `torch.nn.MultiheadAttention`, which gives its weights."""
    torch.manual_seed(0)
    block = TransformerBlock(8, 2, 2).eval()
    reference = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval()
    layers = (block.query, block.key, block.value)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat([layer.weight for layer in layers]))
        reference.in_proj_bias.copy_(torch.cat([block.query.bias, torch.zeros(8), block.value.bias]))
        tokens, mask = torch.randn(3, 5, 8), torch.ones(3, 5, dtype=torch.bool)
        mask[1, 3:] = False
        normed = block.norm(tokens)
        _, expected = reference(normed, normed, normed, key_padding_mask=~mask, average_attn_weights=False)
        torch.testing.assert_close(block.weights(tokens, mask), expected)


def test_shares_are_what_fuses():
    """By hand: the fused vector is the shares' mean of the projected modalities."""
    features, mask = random()
    fusion = registry.load("fusion", "attention")(NAMES, 8).eval()
    (told,) = told_by(fusion, features, mask)
    with torch.no_grad():
        means = [masked_mean(features[m], mask[m]) for m in NAMES]
        projected = [layer(mean) for layer, mean in zip(fusion.project, means, strict=True)]
        expected = (told.weights[:, 0, 0].unsqueeze(-1) * torch.stack(projected, dim=1)).sum(dim=1)
        torch.testing.assert_close(fusion(features, mask), expected)


@pytest.mark.parametrize("name", ["embedding", "gru", "lstm", "transformer"])
def test_words_are_the_tokens_unknown_ones_too(name):
    encoder = registry.load("encoder", name)(8, vocabulary=["is", "red"])
    text = "Is Zürich red_ish?"
    assert encoder.places(text, encoder.length(text)) == ["is", "zürich", "red_ish", "?"]
    assert len(encoder.places(text, 4)) == encoder.prepare([text])[1].sum()


def test_words_after_the_last_position_are_left_out():
    encoder = registry.load("encoder", "transformer")(8, vocabulary=["is"], positions=2)
    assert encoder.places("is is it", encoder.length("is is it")) == ["is", "is"]


def test_word_pieces_stand_as_in_the_text():
    encoder = registry.load("encoder", "bert")(8, vocabulary=["##s", "circle", "is"])
    text = "IS Circles ☃"
    assert encoder.places(text, encoder.length(text)) == ["IS", "Circle", "s", "☃"]


@pytest.mark.parametrize(
    ("name", "options", "side"),
    [("cnn", {}, 4), ("cnn", {"size": 40}, 3), ("vit", {"size": 32, "layers": 1}, 4), ("resnet18", {"base": 2}, 2),
     ("vgg16", {"base": 2}, 2)],
)  # fmt: skip
def test_image_tokens_are_a_grid(name, options, side):
    encoder = registry.load("encoder", name)(8, **options).eval()
    pixels, mask = encoder.prepare([None])
    with torch.no_grad():
        count = encoder(pixels, mask)[0].shape[1]
    assert encoder.places(None, count) == Grid(side, side)
    assert count == side * side


def test_no_grid_where_tokens_are_no_square():
    assert registry.load("encoder", "cnn")(8).places(None, 17) is None


@pytest.mark.parametrize(("name", "seconds"), [("mel-cnn", 0.08), ("mel-lstm", 0.04), ("mel-transformer", 0.04)])
def test_sound_tokens_are_steps(name, seconds):
    encoder = registry.load("encoder", name)(8).eval()
    sound = Audio(torch.zeros(16_000).numpy(), 16_000)
    with torch.no_grad():
        count = int(encoder(*encoder.prepare([sound]))[1].sum())
    places = encoder.places(sound, count)
    assert places == Steps(pytest.approx(seconds))
    assert count * places.seconds == pytest.approx(1.0, abs=2 * seconds)


@pytest.mark.parametrize(
    ("kind", "count", "expected"),
    [("vit", 17, Grid(4, 4, before=1)), ("vit", 16, Grid(4, 4)), ("resnet", 16, Grid(4, 4)), ("vit", 40, None),
     ("resnet", 17, None)],
)  # fmt: skip
def test_hf_image_tokens_are_a_grid_after_the_class_token(hf_encoder, kind, count, expected):
    from PIL import Image

    assert hf_encoder(kind).places(Image.new("RGB", (50, 20)), count) == expected


@pytest.mark.parametrize("kind", ["vit", "clip-image", "resnet"])
def test_hf_image_places_fit_what_the_backbone_gives(hf_encoder, kind):
    from PIL import Image

    encoder, image = hf_encoder(kind), Image.new("RGB", (50, 20))
    with torch.no_grad():
        count = encoder(*encoder.prepare([image]))[0].shape[1]
    grid = encoder.places(image, count)
    assert grid.before + grid.rows * grid.columns == count


def test_hf_text_tokens_are_those_of_its_tokenizer(hf_encoder):
    encoder = hf_encoder("bert")
    text = "is there a yellow circles?"
    assert encoder.places(text, encoder.length(text)) == [
        "[CLS]", "is", "there", "a", "[UNK]", "circle", "##s", "?", "[SEP]",
    ]  # fmt: skip
