"""The relation network: all pairs, as the paper's sum over them gives; and the coordinates that its objects need."""

import pytest
import torch
from torch.nn import functional as F

from mmbench.testing import check_fusion
from mmbench_baselines.fusions.relation import Relation

MODALITIES = ("image", "text", "audio")
TOKENS = {"image": 5, "text": 4, "audio": 2}


def batch(count, width, size=3):
    """Random tokens, all there but the last of every modality in the last sample."""
    torch.manual_seed(0)
    features = {m: torch.randn(size, TOKENS[m], width) for m in MODALITIES[:count]}
    mask = {m: torch.ones(x.shape[:2], dtype=torch.bool) for m, x in features.items()}
    for there in mask.values():
        there[-1, -1] = False
    return features, mask


def build(count=2, width=8, **options):
    """One that has seen a batch, so that its batch norms do something."""
    torch.manual_seed(1)
    relation = Relation(MODALITIES[:count], width, **options)
    with torch.no_grad():
        relation(*batch(count, width))
    return relation.eval()


@pytest.mark.parametrize("width", [16, 17])  # of fewer, a relu may leave nothing of a modality
def test_conforms_at_any_width(width):
    check_fusion(Relation, width=width)


def test_works_at_width_one():
    features, mask = batch(2, 1)
    assert build(2, 1)(features, mask).shape == (3, 1)


@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("width", [8, 64])
def test_parameters_are_as_documented(count, width, layers):
    parameters = sum(p.numel() for p in build(count, width, layers=layers).parameters())
    assert parameters == (count + layers + 1) * width**2 + (2 * count + layers + 1) * width


def test_no_layer_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        build(layers=0)


def pair_by_pair(relation, objects, conditions):
    """One sample: g on [o_i; o_j; q] with the concatenated weights of its first layer, one pair at a time."""
    conditions = [
        F.batch_norm(x.unsqueeze(0), norm.running_mean, norm.running_var, norm.weight, norm.bias)[0]
        for x, norm in zip(conditions, relation.condition_norms, strict=True)
    ]
    first = [relation.first, relation.second, *relation.conditions]
    weight = torch.cat([layer.weight for layer in first], dim=1)
    total = torch.zeros(relation.width)
    for one in objects:
        for other in objects:
            pair = F.relu(weight @ torch.cat([one, other, *conditions]) + relation.first.bias)
            for layer in relation.deeper:
                pair = F.relu(layer(pair))
            total += pair
    return F.relu(relation.output(relation.norm((total / len(objects)).unsqueeze(0))[0]))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_equals_the_sum_over_explicit_pairs(count, layers):
    relation = build(count, layers=layers)
    features, mask = batch(count, 8)
    with torch.no_grad():
        fused = relation(features, mask)
        for row, vector in enumerate(fused):
            objects, *conditions = (
                [x for x, there in zip(features[m][row], mask[m][row], strict=True) if there] for m in features
            )
            means = [torch.stack(tokens).mean(dim=0) for tokens in conditions]
            torch.testing.assert_close(vector, pair_by_pair(relation, objects, means))


def test_missing_objects_are_one_object_of_zeros():
    relation = build()
    features, mask = batch(2, 8)
    mask["image"][:] = False
    with torch.no_grad():
        fused = relation(features, mask)
        expected = pair_by_pair(relation, [torch.zeros(8)], [features["text"][0].mean(dim=0)])
    torch.testing.assert_close(fused[0], expected)


def test_missing_condition_adds_nothing():
    relation = build()
    features, mask = batch(2, 8)
    mask["text"][:] = False
    with torch.no_grad():
        fused = relation(features, mask)
        relation.conditions[0].weight.zero_()
        torch.testing.assert_close(relation(*batch(2, 8))[:2], fused[:2])


def test_order_of_objects_does_not_matter_and_their_content_does():
    relation = build()
    features, mask = batch(2, 8)
    order = torch.tensor([3, 0, 4, 2, 1])
    with torch.no_grad():
        fused = relation(features, mask)
        shuffled = relation(
            {**features, "image": features["image"][:, order]}, {**mask, "image": mask["image"][:, order]}
        )
        changed = relation({**features, "image": features["image"].flip(-1)}, mask)
    torch.testing.assert_close(shuffled, fused)
    assert not torch.allclose(changed, fused)
