"""Vote and product of experts: conformance and agreement with values by hand."""

from itertools import product

import pytest
import torch
from torch.nn import functional as F

from mmbench.registry import registry
from mmbench.testing import check_fusion

NAMES = ("vote", "product-of-experts")
MODALITIES = ("image", "text", "audio")


def build(name, width=3, modalities=MODALITIES):
    return registry.load("fusion", name)(modalities, width)


def logits(*probabilities):
    """One sample: logits {m: [1, 1, C]} with these softmaxes, shifted to be no log-probabilities."""
    shifts = (5.0, -2.0, 0.5)
    return {
        m: torch.tensor(p).log().view(1, 1, -1) + shift
        for m, p, shift in zip(MODALITIES, probabilities, shifts, strict=False)
    }


def fuse(fusion, features, missing=()):
    mask = {m: torch.full(x.shape[:2], m not in missing) for m, x in features.items()}
    with torch.no_grad():
        return fusion(features, mask)


@pytest.mark.parametrize("name", NAMES)
def test_conforms(name):
    check_fusion(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("modalities", [MODALITIES[:2], MODALITIES])
@pytest.mark.parametrize("width", [8, 64])
def test_has_no_parameters(name, modalities, width):
    assert list(build(name, width, modalities).parameters()) == []


@pytest.mark.parametrize("name", NAMES)
def test_documents_itself(name):
    document = registry.load("fusion", name).__doc__
    assert registry.entry("fusion", name).summary == document.split("\n")[0]
    for part in ("Source:", "Parameters: 0.", "Modalities:"):
        assert part in document


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [1, 2, 3, 5, 7])
def test_probabilities_sum_to_one_whatever_is_missing(name, width):
    torch.manual_seed(0)
    patterns = torch.tensor(list(product((True, False), repeat=3)))
    features = {m: 3.0 * torch.randn(len(patterns), 1, width) for m in MODALITIES}
    mask = {m: patterns[:, i : i + 1] for i, m in enumerate(MODALITIES)}
    fused = build(name, width)(features, mask)
    torch.testing.assert_close(fused.exp().sum(dim=1), torch.ones(len(patterns)))
    torch.testing.assert_close(fused[-1].exp(), torch.full((width,), 1 / width))


def test_vote_by_hand():
    # Two votes for the second class and one for the first; the mean is (0.5, 0.38, 0.12).
    features = logits([0.3, 0.4, 0.3], [0.3, 0.7, 0.0 + 1e-9], [0.9, 0.04, 0.06])
    expected = (torch.tensor([[1.0, 2.0, 0.0]]) + torch.tensor([[0.5, 0.38, 0.12]])) / 4
    torch.testing.assert_close(fuse(build("vote"), features).exp(), expected)


def test_vote_goes_to_the_majority_and_not_to_the_greater_mean():
    features = logits([0.34, 0.33, 0.33], [0.34, 0.33, 0.33], [1e-6, 1.0 - 2e-6, 1e-6])
    assert fuse(build("vote"), features).argmax() == 0
    assert fuse(build("decision-mean"), features).argmax() == 1


def test_vote_breaks_ties_by_the_mean_of_the_probabilities():
    fusion = build("vote", modalities=MODALITIES[:2])
    # One vote each for the first and the second class; the third has the greatest mean, and no vote.
    features = logits([0.54, 0.0 + 1e-9, 0.46], [0.0 + 1e-9, 0.52, 0.48])
    torch.testing.assert_close(fuse(fusion, features).exp(), torch.tensor([[1.27, 1.26, 0.47]]) / 3)
    features = logits([0.52, 0.0 + 1e-9, 0.48], [0.0 + 1e-9, 0.54, 0.46])
    assert fuse(fusion, features).argmax() == 1


def test_vote_of_a_missing_modality_is_not_counted():
    features = logits([0.3, 0.4, 0.3], [0.3, 0.6, 0.1], [0.9, 0.04, 0.06])
    expected = (torch.tensor([[1.0, 1.0, 0.0]]) + torch.tensor([[0.6, 0.22, 0.18]])) / 3
    torch.testing.assert_close(fuse(build("vote"), features, missing={"text"}).exp(), expected)
    alone = (torch.tensor([[0.0, 1.0, 0.0]]) + torch.tensor([[0.3, 0.6, 0.1]])) / 2
    torch.testing.assert_close(fuse(build("vote"), features, missing={"image", "audio"}).exp(), alone)


def test_vote_of_extreme_logits_is_finite():
    features = {m: torch.tensor([[[500.0, 0.0, -500.0]]]) for m in MODALITIES}
    fused = fuse(build("vote"), features)
    assert fused.isfinite().all()
    assert fused[0, 0] == 0.0


def test_vote_passes_the_gradient_of_the_probabilities():
    torch.manual_seed(0)
    features = {m: torch.randn(4, 1, 5, requires_grad=True) for m in MODALITIES}
    mask = {m: torch.ones(4, 1, dtype=torch.bool) for m in MODALITIES}
    weight = torch.randn(4, 5)
    fused = build("vote", 5)(features, mask)
    (fused.exp() * weight).sum().backward()
    # What is passed on is that of (Σ_m p_m + 1/n Σ_m p_m) / (n + 1) = Σ_m p_m / n.
    for x in features.values():
        copy = x.detach().clone().requires_grad_()
        (copy.squeeze(1).softmax(dim=-1) / 3 * weight).sum().backward()
        torch.testing.assert_close(x.grad, copy.grad)


def test_heads_learn_from_the_vote_alone():
    torch.manual_seed(0)
    fusion, targets = build("vote", 4), torch.arange(4)
    features = {m: (0.1 * torch.randn(4, 1, 4)).requires_grad_() for m in MODALITIES}
    mask = {m: torch.ones(4, 1, dtype=torch.bool) for m in MODALITIES}
    optimiser = torch.optim.Adam(features.values(), lr=0.1)
    before = F.cross_entropy(fusion(features, mask), targets)
    for _ in range(30):
        optimiser.zero_grad()
        F.cross_entropy(fusion(features, mask), targets).backward()
        optimiser.step()
    after = fusion(features, mask)
    assert F.cross_entropy(after, targets) < before / 4
    assert all((x.squeeze(1).argmax(dim=-1) == targets).all() for x in features.values())


def test_product_of_experts_by_hand():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.5, 0.3]])
    features = logits(*p.tolist())
    for missing, here in (((), [0, 1, 2]), (("text",), [0, 2]), (("image", "text"), [2])):
        expected = p[here].prod(dim=0, keepdim=True)
        fused = fuse(build("product-of-experts"), features, missing)
        torch.testing.assert_close(fused.exp(), expected / expected.sum())


def test_product_of_experts_lets_one_rule_a_class_out():
    features = logits([0.8, 0.2, 1e-9], [0.8, 0.2, 1e-9], [1e-9, 0.5, 0.5])
    assert fuse(build("product-of-experts"), features).argmax() == 1
    assert fuse(build("decision-mean"), features).argmax() == 0


def test_product_of_experts_of_extreme_logits_is_finite():
    features = {m: torch.tensor([[[500.0, 0.0, -500.0]]]) for m in MODALITIES}
    torch.testing.assert_close(fuse(build("product-of-experts"), features), torch.tensor([[0.0, -1500.0, -3000.0]]))
