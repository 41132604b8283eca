"""The registered fusions: all conform, have the parameters their docstrings state, and agree with values by hand."""

from math import atanh, log

import pytest
import torch
from torch import nn

from mmbench.fusion import present
from mmbench.registry import registry
from mmbench.testing import check_fusion

SHIPPED = {
    "concat": lambda m, d: m * d**2 + d,
    "sum": lambda m, d: (m + 1) * (d**2 + d),
    "weighted": lambda m, d: m * (d**2 + d) + m,
    "attention": lambda m, d: m * (d**2 + d) + m**2 * d + m,
    "hadamard": lambda m, d: (m + 1) * (d**2 + d),
    "film": lambda m, d: 3 * (m - 1) * (d**2 + d) + 2 * d**2 + d,
    "gated": lambda m, d: m * (d**2 + d) + (m - 1) * (m * d**2 + d),
    "cross-attention": lambda m, d: m * (m - 1) * (9 * d**2 + 12 * d) + d,
    "decision-mean": lambda m, d: 0,
    "decision-weighted": lambda m, d: m,
}
"""Parameters of M modalities at width D, as the docstrings state."""


def build(name, modalities=("image", "text"), width=2, **options):
    return registry.load("fusion", name)(modalities, width, **options)


def tokens(*rows):
    """One sample: tokens [1, T, D]."""
    return torch.tensor([rows])


def identity(*layers):
    """Make square layers pass their input through; gradients are not needed here."""
    for layer in layers:
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)


def fuse(fusion, features, missing=()):
    mask = {m: torch.full(x.shape[:2], m not in missing) for m, x in features.items()}
    with torch.no_grad():
        return fusion(features, mask)


@pytest.mark.parametrize("name", registry.names("fusion"))
def test_conforms(name):
    check_fusion(name)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("modalities", [("image", "text"), ("image", "text", "audio")])
@pytest.mark.parametrize("width", [8, 64])
def test_parameters_are_as_documented(name, modalities, width):
    parameters = sum(p.numel() for p in build(name, modalities, width).parameters())
    assert parameters == SHIPPED[name](len(modalities), width)


@pytest.mark.parametrize("name", SHIPPED)
def test_documents_itself(name):
    document = registry.load("fusion", name).__doc__
    assert registry.entry("fusion", name).summary == document.split("\n")[0]
    for part in ("Source:", "Parameters:", "Modalities:"):
        assert part in document


@pytest.mark.parametrize("name", ["weighted", "attention", "film", "gated", "cross-attention", "decision-weighted"])
def test_one_modality_is_refused_where_there_is_nothing_to_fuse(name):
    with pytest.raises(ValueError, match="fuses at least 2 modalities, not image"):
        build(name, ("image",))


def test_concat_by_hand():
    fusion = build("concat")
    with torch.no_grad():
        # y = relu([image_1 - text_1; image_2 + 2 text_2] + [1; 0])
        fusion.mix.weight.copy_(torch.tensor([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 2.0]]))
        fusion.mix.bias.copy_(torch.tensor([1.0, 0.0]))
    fused = fuse(fusion, {"image": tokens([1.0, 2.0], [3.0, 6.0]), "text": tokens([5.0, 1.0])})
    torch.testing.assert_close(fused, torch.tensor([[0.0, 6.0]]))


def test_sum_by_hand():
    fusion = build("sum")
    identity(*fusion.project, fusion.output)
    features = {"image": tokens([1.0, -5.0], [3.0, -5.0]), "text": tokens([4.0, 2.0])}
    torch.testing.assert_close(fuse(fusion, features), torch.tensor([[6.0, 0.0]]))
    torch.testing.assert_close(fuse(fusion, features, missing={"image"}), torch.tensor([[4.0, 2.0]]))


def test_missing_modality_adds_no_bias_to_a_sum():
    fusion = build("sum")
    identity(*fusion.project, fusion.output)
    nn.init.ones_(fusion.project[0].bias)
    features = {"image": tokens([0.0, 0.0]), "text": tokens([4.0, 2.0])}
    torch.testing.assert_close(fuse(fusion, features), torch.tensor([[5.0, 3.0]]))
    torch.testing.assert_close(fuse(fusion, features, missing={"image"}), torch.tensor([[4.0, 2.0]]))


def test_weighted_by_hand():
    fusion = build("weighted")
    identity(*fusion.project)
    features = {"image": tokens([4.0, 0.0]), "text": tokens([0.0, 8.0])}
    torch.testing.assert_close(fuse(fusion, features), torch.tensor([[2.0, 4.0]]))
    with torch.no_grad():
        fusion.scores.copy_(torch.tensor([log(3.0), 0.0]))  # softmax: 3/4 and 1/4
    torch.testing.assert_close(fuse(fusion, features), torch.tensor([[3.0, 2.0]]))
    torch.testing.assert_close(fuse(fusion, features, missing={"image"}), torch.tensor([[0.0, 8.0]]))


def test_weights_are_renormalised_over_the_present():
    fusion = build("weighted", ("image", "text", "audio"))
    identity(*fusion.project)
    with torch.no_grad():
        fusion.scores.copy_(torch.tensor([log(3.0), 0.0, 5.0]))
    features = {"image": tokens([4.0, 0.0]), "text": tokens([0.0, 8.0]), "audio": tokens([9.0, 9.0])}
    torch.testing.assert_close(fuse(fusion, features, missing={"audio"}), torch.tensor([[3.0, 2.0]]))


def test_attention_by_hand():
    fusion = build("attention")
    identity(*fusion.project)
    nn.init.zeros_(fusion.score.bias)
    with torch.no_grad():
        # The image's score is log(3) times its first number, the text's is zero.
        fusion.score.weight.copy_(torch.tensor([[log(3.0), 0.0, 0.0, 0.0], [0.0] * 4]))
    features = {"image": tokens([1.0, 4.0]), "text": tokens([1.0, 8.0])}
    torch.testing.assert_close(fuse(fusion, features), torch.tensor([[1.0, 5.0]]))
    features["image"] = tokens([0.0, 4.0])
    torch.testing.assert_close(fuse(fusion, features), torch.tensor([[0.5, 6.0]]))
    torch.testing.assert_close(fuse(fusion, features, missing={"text"}), torch.tensor([[0.0, 4.0]]))


def test_hadamard_by_hand():
    fusion = build("hadamard", ("image", "text", "audio"))
    identity(*fusion.project, fusion.output)
    half, fifth, tenth = atanh(0.5), atanh(0.2), atanh(0.1)
    features = {"image": tokens([half, fifth]), "text": tokens([fifth, half]), "audio": tokens([half, -tenth])}
    torch.testing.assert_close(fuse(fusion, features), torch.tensor([[0.05, -0.01]]))
    torch.testing.assert_close(fuse(fusion, features, missing={"audio"}), torch.tensor([[0.1, 0.1]]))
    torch.testing.assert_close(fuse(fusion, features, missing=set(features)), torch.ones(1, 2))


def test_hadamard_of_unlike_one_hots_is_zero():
    fusion = build("hadamard")
    identity(*fusion.project, fusion.output)
    fused = fuse(fusion, {"image": tokens([1.0, 0.0]), "text": tokens([0.0, 1.0])})
    torch.testing.assert_close(fused, torch.zeros(1, 2))


def film_by_hand():
    """Modulates with γ = (t_1, t_1) and β = (t_2, t_2), and returns half the mean plus half the maximum over tokens."""
    fusion = build("film")
    identity(fusion.project[0])
    nn.init.zeros_(fusion.generate[0].bias)
    nn.init.zeros_(fusion.output.bias)
    with torch.no_grad():
        fusion.generate[0].weight.copy_(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
        fusion.output.weight.copy_(torch.tensor([[0.5, 0.0, 0.5, 0.0], [0.0, 0.5, 0.0, 0.5]]))
    return fusion


def test_film_by_hand():
    # γ = 2, β = 1: the tokens become relu(3 y + 1) = (4, 0) and (10, 7).
    features = {"image": tokens([1.0, -1.0], [3.0, 2.0]), "text": tokens([2.0, 1.0])}
    torch.testing.assert_close(fuse(film_by_hand(), features), torch.tensor([[(7 + 10) / 2, (3.5 + 7) / 2]]))


def test_film_without_condition_modulates_nothing():
    features = {"image": tokens([1.0, -1.0], [3.0, 2.0]), "text": tokens([2.0, 1.0])}
    fused = fuse(film_by_hand(), features, missing={"text"})
    torch.testing.assert_close(fused, torch.tensor([[(2 + 3) / 2, (1 + 2) / 2]]))


def test_film_without_content_carries_the_shift():
    features = {"image": tokens([1.0, -1.0], [3.0, 2.0]), "text": tokens([2.0, 1.0])}
    torch.testing.assert_close(fuse(film_by_hand(), features, missing={"image"}), torch.ones(1, 2))


def test_film_reads_the_first_modality_as_content():
    features = {"text": torch.randn(2, 3, 4), "image": torch.randn(2, 5, 4)}
    one, other = build("film", ("image", "text"), 4), build("film", ("text", "image"), 4)
    other.load_state_dict(one.state_dict())
    assert not torch.allclose(fuse(one, features), fuse(other, features))


def test_gated_with_two_modalities_is_the_published_unit():
    torch.manual_seed(0)
    fusion = build("gated", width=4)
    features = {"image": torch.randn(3, 1, 4), "text": torch.randn(3, 1, 4)}
    x, y = features["image"][:, 0], features["text"][:, 0]
    with torch.no_grad():
        # Arevalo et al. 2017, equation 1: h = z ⊙ tanh(Ux) + (1 − z) ⊙ tanh(Vy), z = σ(W[x; y]).
        z = torch.sigmoid(fusion.gate(torch.cat([x, y], dim=-1)))
        expected = z * torch.tanh(fusion.project[0](x)) + (1 - z) * torch.tanh(fusion.project[1](y))
        alone = torch.tanh(fusion.project[1](y))
    torch.testing.assert_close(fuse(fusion, features), expected)
    torch.testing.assert_close(fuse(fusion, features, missing={"image"}), alone)


def test_cross_attention_agrees_with_multihead_attention():
    """Reference: torch.nn.MultiheadAttention with the same weights inside the same pre-norm block."""
    torch.manual_seed(0)
    fusion = build("cross-attention", width=8, heads=2)
    features = {"image": torch.randn(3, 4, 8), "text": torch.randn(3, 6, 8)}
    mask = {"image": torch.ones(3, 4, dtype=torch.bool), "text": torch.ones(3, 6, dtype=torch.bool)}
    mask["text"][1, 3:] = False
    pooled = []
    with torch.no_grad():
        for (target, source), block in zip(fusion.pairs, fusion.blocks, strict=True):
            reference = nn.MultiheadAttention(8, 2, batch_first=True)
            reference.in_proj_weight.copy_(torch.cat([block.query.weight, block.key.weight, block.value.weight]))
            reference.in_proj_bias.copy_(torch.cat([block.query.bias, torch.zeros(8), block.value.bias]))
            reference.out_proj.load_state_dict(block.merge.state_dict())
            asked, answers = block.target_norm(features[target]), block.source_norm(features[source])
            attended, _ = reference(asked, answers, answers, key_padding_mask=~mask[source])
            result = features[target] + attended
            result = result + block.feed(block.feed_norm(result))
            pooled.append((result * mask[target].unsqueeze(-1)).sum(dim=1) / mask[target].sum(dim=1, keepdim=True))
        expected = fusion.output(torch.cat(pooled, dim=-1))
        torch.testing.assert_close(fusion(features, mask), expected)


P_IMAGE, P_TEXT = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.1, 0.6, 0.3])


def decisions():
    """Logits whose softmax is `P_IMAGE` and `P_TEXT`, shifted to be no log-probabilities."""
    return {"image": P_IMAGE.log().view(1, 1, 3) + 5.0, "text": P_TEXT.log().view(1, 1, 3) - 2.0}


def test_decision_mean_by_hand():
    fusion = build("decision-mean", width=3)
    torch.testing.assert_close(fuse(fusion, decisions()).exp(), torch.tensor([[0.4, 0.4, 0.2]]))
    torch.testing.assert_close(fuse(fusion, decisions(), missing={"text"}).exp(), P_IMAGE.unsqueeze(0))
    torch.testing.assert_close(fuse(fusion, decisions(), missing={"image", "text"}).exp(), torch.full((1, 3), 1 / 3))


def test_decision_mean_of_extreme_logits_is_finite():
    logits = {"image": tokens([500.0, 0.0, -500.0]), "text": tokens([500.0, 0.0, -500.0])}
    torch.testing.assert_close(fuse(build("decision-mean", width=3), logits), torch.tensor([[0.0, -500.0, -1000.0]]))


def test_decision_weighted_by_hand():
    fusion = build("decision-weighted", width=3)
    torch.testing.assert_close(fuse(fusion, decisions()).exp(), torch.tensor([[0.4, 0.4, 0.2]]))
    with torch.no_grad():
        fusion.scores.copy_(torch.tensor([log(3.0), 0.0]))
    torch.testing.assert_close(fuse(fusion, decisions()).exp(), torch.tensor([[0.55, 0.3, 0.15]]))
    torch.testing.assert_close(fuse(fusion, decisions(), missing={"image"}).exp(), P_TEXT.unsqueeze(0))


def test_modalities_may_be_named_like_module_attributes():
    for name in SHIPPED:
        fusion = build(name, ("type", "a.b"), 4)
        length = 1 if fusion.level == "decision" else 3
        features = {m: torch.randn(2, length, 4) for m in fusion.modalities}
        mask = {m: torch.ones(2, length, dtype=torch.bool) for m in features}
        assert all(present(m).all() for m in mask.values())
        assert fuse(fusion, features).shape == (2, 4)
