"""Average, deep set and the fusions that attend over tokens: conformance, size, and agreement with references."""

from math import sqrt

import pytest
import torch
from torch import nn

from mmbench.registry import registry
from mmbench.testing import check_fusion
from mmbench_baselines.fusions.transformer_block import fitting_heads

BLOCK = (8, 10)
"""Parameters of a Transformer layer with the expansion of 2, as multiples of D² and D."""

PARAMETERS = {
    "mean": lambda m, d: (m + 1) * (d**2 + d),
    "deepset": lambda m, d: 3 * (d**2 + d),
    "self-attention": lambda m, d: 2 * (BLOCK[0] * d**2 + BLOCK[1] * d) + (m + 3) * d,
    "bottleneck": lambda m, d: 2 * m * (BLOCK[0] * d**2 + BLOCK[1] * d) + (4 + 2) * d,
}
"""Parameters of M modalities at width D, as the docstrings state."""

WITH_TOKENS = ["self-attention", "bottleneck", "cross-attention"]


def build(name, modalities=("image", "text"), width=2, **options):
    torch.manual_seed(0)
    return registry.load("fusion", name)(modalities, width, **options).eval()


def rows(*rows):
    """One sample: tokens [1, T, D]."""
    return torch.tensor([rows])


def identity(*layers):
    """Make square layers pass their input through."""
    for layer in layers:
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)


def whole(features):
    return {m: torch.ones(x.shape[:2], dtype=torch.bool) for m, x in features.items()}


def fuse(fusion, features, missing=()):
    mask = {m: torch.full(x.shape[:2], m not in missing) for m, x in features.items()}
    with torch.no_grad():
        return fusion(features, mask)


def random(width, image=4, text=6, batch=3):
    return {"image": torch.randn(batch, image, width), "text": torch.randn(batch, text, width)}


@pytest.mark.parametrize("name", PARAMETERS)
def test_conforms(name):
    check_fusion(name)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("modalities", [("image", "text"), ("image", "text", "audio")])
@pytest.mark.parametrize("width", [8, 64])
def test_parameters_are_as_documented(name, modalities, width):
    parameters = sum(p.numel() for p in build(name, modalities, width).parameters())
    assert parameters == PARAMETERS[name](len(modalities), width)
    assert parameters <= 250_000


@pytest.mark.parametrize("name", PARAMETERS)
def test_documents_itself(name):
    document = registry.load("fusion", name).__doc__
    assert registry.entry("fusion", name).summary == document.split("\n")[0]
    for part in ("Source:", "Parameters:", "Modalities:"):
        assert part in document


@pytest.mark.parametrize("name", [*PARAMETERS, "cross-attention"])
@pytest.mark.parametrize("width", [1, 2, 3, 5, 6, 7])
def test_works_at_any_width(name, width):
    fusion = build(name, ("image", "text", "audio"), width)
    features = {**random(width), "audio": torch.randn(3, 2, width)}
    for missing in ((), ("text",), tuple(features)):
        fused = fuse(fusion, features, missing)
        assert fused.shape == (3, width)
        assert fused.isfinite().all()


@pytest.mark.parametrize("name", WITH_TOKENS)
@pytest.mark.parametrize("width", [5, 6])
def test_fusions_with_heads_conform_where_four_do_not_divide_the_width(name, width):
    check_fusion(name, width=width, modalities=("image", "text"))


def test_heads_are_the_most_that_divide_the_width():
    assert [fitting_heads(width, 4) for width in (1, 2, 3, 5, 6, 7, 10, 64)] == [1, 2, 3, 1, 3, 1, 2, 4]


def test_mean_by_hand():
    fusion = build("mean")
    identity(*fusion.project, fusion.output)
    nn.init.constant_(fusion.project[0].bias, 1.0)
    features = {"image": rows([1.0, -5.0], [3.0, -5.0]), "text": rows([4.0, 2.0])}
    torch.testing.assert_close(fuse(fusion, features), torch.tensor([[3.5, -1.0]]))
    torch.testing.assert_close(fuse(fusion, features, missing={"image"}), torch.tensor([[4.0, 2.0]]))
    torch.testing.assert_close(fuse(fusion, features, missing={"text"}), torch.tensor([[3.0, -4.0]]))
    torch.testing.assert_close(fuse(fusion, features, missing=set(features)), torch.zeros(1, 2))


def test_deepset_by_hand():
    fusion = build("deepset")
    identity(fusion.project, fusion.hidden, fusion.output)
    # √2 v / ‖v‖ of (3, -4) and (-4, -3), then the maximum of each dimension, (0.6, -0.6) √2, and relu.
    features = {"image": rows([3.0, -4.0]), "text": rows([-8.0, -6.0])}
    torch.testing.assert_close(fuse(fusion, features), torch.tensor([[0.6 * sqrt(2.0), 0.0]]))
    features["text"] = rows([6.0, 8.0], [2.0, 0.0])  # mean (4, 4)
    torch.testing.assert_close(fuse(fusion, features), torch.tensor([[1.0, 1.0]]))
    torch.testing.assert_close(fuse(fusion, features, missing={"text"}), torch.tensor([[0.6 * sqrt(2.0), 0.0]]))
    torch.testing.assert_close(fuse(fusion, features, missing=set(features)), torch.zeros(1, 2))


def test_deepset_takes_the_highest_even_of_negative_numbers():
    fusion = build("deepset")
    identity(fusion.project, fusion.output)
    nn.init.zeros_(fusion.hidden.bias)
    with torch.no_grad():
        fusion.hidden.weight.copy_(-torch.eye(2))
    features = {"image": rows([-3.0, -4.0]), "text": rows([1.0, 1.0])}
    torch.testing.assert_close(fuse(fusion, features, missing={"text"}), torch.tensor([[0.6, 0.8]]) * sqrt(2.0))


def test_deepset_does_not_know_the_modalities_order():
    fusion = build("deepset", ("image", "text", "audio"), 8)
    features = {m: torch.randn(3, 1, 8) for m in fusion.modalities}
    fused = fuse(fusion, features)
    for order in (("text", "audio", "image"), ("audio", "text", "image")):
        moved = dict(zip(order, features.values(), strict=True))
        torch.testing.assert_close(fuse(fusion, moved), fused)


@pytest.mark.parametrize("name", ["mean", *WITH_TOKENS])
def test_other_fusions_know_which_modality_a_token_is_of(name):
    fusion, features = build(name, width=8), random(8, image=3, text=3)
    swapped = {"image": features["text"], "text": features["image"]}
    assert (fuse(fusion, features) - fuse(fusion, swapped)).abs().max() > 1e-4


@pytest.mark.parametrize("name", [*PARAMETERS, "cross-attention"])
def test_tokens_of_a_modality_have_no_order(name):
    fusion, features = build(name, width=8), random(8)
    turned = {m: x.flip(1) for m, x in features.items()}
    torch.testing.assert_close(fuse(fusion, turned), fuse(fusion, features))


@pytest.mark.parametrize("name", WITH_TOKENS)
def test_tokens_count_by_themselves_and_not_only_by_their_mean(name):
    fusion, features = build(name, width=8), random(8)
    level = {m: x.mean(dim=1, keepdim=True).expand_as(x) for m, x in features.items()}
    assert (fuse(fusion, features) - fuse(fusion, level)).abs().max() > 1e-4


def reference_layer(block):
    """torch.nn.TransformerEncoderLayer with the weights of one of our blocks."""
    width = block.norm.normalized_shape[0]
    hidden = block.feed[0].out_features
    layer = nn.TransformerEncoderLayer(
        width, block.heads, hidden, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    query, key, value = block.query, block.key, block.value
    with torch.no_grad():
        layer.self_attn.in_proj_weight.copy_(torch.cat([query.weight, key.weight, value.weight]))
        layer.self_attn.in_proj_bias.copy_(torch.cat([query.bias, torch.zeros(width), value.bias]))
    layer.self_attn.out_proj.load_state_dict(block.merge.state_dict())
    for theirs, ours in (
        (layer.norm1, block.norm),
        (layer.norm2, block.feed_norm),
        (layer.linear1, block.feed[0]),
        (layer.linear2, block.feed[2]),
    ):
        theirs.load_state_dict(ours.state_dict())
    return layer.train()  # in eval mode torch may take another path, which leaves out masked tokens


def partly_masked(features):
    mask = whole(features)
    mask["text"][1, 3:] = False
    mask["image"][2] = False
    return mask


@pytest.mark.parametrize(("width", "heads"), [(8, 4), (6, 3), (5, 1)])
def test_self_attention_agrees_with_torch_layers(width, heads):
    """Reference: torch.nn.TransformerEncoderLayer over the concatenated tokens, with a padding mask."""
    fusion, features = build("self-attention", width=width), random(width)
    assert {block.heads for block in fusion.blocks} == {heads}
    mask = partly_masked(features)
    tokens = [x + mark for x, mark in zip(features.values(), fusion.marks, strict=True)]
    joint = torch.cat([fusion.summary.expand(3, 1, width), *tokens], dim=1)
    padding = ~torch.cat([torch.ones(3, 1, dtype=torch.bool), mask["image"], mask["text"]], dim=1)
    with torch.no_grad():
        for block in fusion.blocks:
            joint = reference_layer(block)(joint, src_key_padding_mask=padding)
        torch.testing.assert_close(fusion(features, mask), fusion.norm(joint[:, 0]))


def bottleneck_reference(fusion, features, mask):
    """Bottlenecks of every layer and tokens of every modality, by torch.nn.TransformerEncoderLayer, one sample a time.

    A sample's missing modality and masked tokens are left out of the sequences, not masked.
    """
    results = []
    for row in range(len(mask["image"])):
        tokens = {m: features[m][row : row + 1, mask[m][row]] for m in fusion.modalities}
        shared = fusion.bottlenecks.unsqueeze(0)
        for blocks in fusion.layers:
            seen = []
            for (m, x), block in zip(tokens.items(), blocks, strict=True):
                joint = reference_layer(block)(torch.cat([x, shared], dim=1))
                tokens[m] = joint[:, : x.shape[1]]
                if x.shape[1]:
                    seen.append(joint[:, x.shape[1] :])
            shared = sum(seen) / len(seen)
        results.append(fusion.norm(shared).mean(dim=1))
    return torch.cat(results)


@pytest.mark.parametrize("options", [{}, {"layers": 3, "bottlenecks": 1, "heads": 2, "expansion": 1}])
def test_bottleneck_agrees_with_torch_layers(options):
    """Reference: the equations over torch.nn.TransformerEncoderLayer."""
    fusion, features = build("bottleneck", width=8, **options), random(8)
    mask = partly_masked(features)
    with torch.no_grad():
        torch.testing.assert_close(fusion(features, mask), bottleneck_reference(fusion, features, mask))


def token_gradient(layers, cut=False):
    """How far the text's tokens after the last layer depend on the image's: the greatest gradient.

    With `cut`, the image's own part of the bottleneck tokens is taken out of the graph.
    """
    fusion, features = build("bottleneck", width=8, layers=layers), random(8)
    features["image"].requires_grad_()
    kept = {}
    for blocks in fusion.layers:
        image, text = blocks
        if cut:
            image.register_forward_hook(lambda _, __, y: torch.cat([y[:, :4], y[:, 4:].detach()], dim=1))
        text.register_forward_hook(lambda _, __, y: kept.update(text=y[:, :6]))
    fusion(features, whole(features))
    (gradient,) = torch.autograd.grad(
        (kept["text"] * torch.randn_like(kept["text"])).sum(), features["image"], allow_unused=True
    )
    return 0.0 if gradient is None else gradient.abs().max().item()


def test_bottleneck_tokens_are_the_only_way_between_modalities():
    assert token_gradient(layers=2) > 1e-5
    assert token_gradient(layers=2, cut=True) == 0.0


def test_bottleneck_needs_a_second_layer_to_reach_another_modality():
    assert token_gradient(layers=1) == 0.0


@pytest.mark.parametrize("name", ["self-attention", "bottleneck"])
def test_samples_without_any_modality_are_all_alike(name):
    fusion, features = build(name, width=8), random(8)
    fused = fuse(fusion, features, missing=set(features))
    assert fused.isfinite().all()
    torch.testing.assert_close(fused, fuse(fusion, random(8), missing=set(features)), rtol=0.0, atol=0.0)
    torch.testing.assert_close(fused, fused[:1].expand(3, -1))


def test_bottleneck_without_any_modality_reads_the_tokens_as_they_start():
    fusion, features = build("bottleneck", width=8), random(8)
    with torch.no_grad():
        expected = fusion.norm(fusion.bottlenecks).mean(dim=0).expand(3, 8)
    torch.testing.assert_close(fuse(fusion, features, missing=set(features)), expected)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("self-attention", {"layers": 0}, "needs at least one layer, not 0"),
        ("self-attention", {"heads": 0}, "needs at least one head, not 0"),
        ("cross-attention", {"heads": 0}, "needs at least one head, not 0"),
        ("bottleneck", {"layers": 0}, "needs at least one token and one layer, not 4 and 0"),
        ("bottleneck", {"bottlenecks": 0}, "needs at least one token and one layer, not 0 and 2"),
    ],
)
def test_impossible_options_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        build(name, **options)
