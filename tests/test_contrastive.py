"""The contrastive loss. References: cross-entropies written out in loops; the loss of transformers' CLIP."""

import math

import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from mmbench.contrastive import contrastive_loss

GROUPS = [[0, 1, 2, 3, 4], [0, 0, 1, 1, 1], [7, -3, 7, 2**60, -3], [5, 5, 5, 5, 5]]


def written_out(one, other, groups, scale):
    """Each row's cross-entropy over the rows of the other side, all of its group being right to equal parts."""
    total = 0.0
    for queries, candidates in ((one, other), (other, one)):
        for query, own in zip(queries, groups, strict=True):
            logits = [scale * cosine(query, x) for x in candidates]
            log_total = math.log(sum(math.exp(logit) for logit in logits))
            right = [logit for logit, group in zip(logits, groups, strict=True) if group == own]
            total += sum(log_total - logit for logit in right) / len(right) / len(groups) / 2
    return total


def cosine(one, other):
    return sum(x * y for x, y in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


def vectors(rows=5, width=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, width, generator=generator, dtype=torch.float64) for _ in range(2)]


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("scale", [1.0, 14.0])
def test_equals_the_cross_entropies_written_out(groups, scale):
    one, other = vectors()
    expected = written_out(one.tolist(), other.tolist(), groups, scale)
    for given in (scale, torch.tensor(scale, dtype=torch.float64)):
        assert contrastive_loss(one, other, torch.tensor(groups), given).item() == pytest.approx(expected, rel=1e-12)


def test_every_row_is_a_group_of_its_own_where_none_is_said():
    one, other = vectors()
    assert contrastive_loss(one, other, scale=3.0) == contrastive_loss(one, other, torch.arange(5), 3.0)


def test_equals_clip_s_own_loss_where_one_row_is_right():
    tower = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**tower, "vocab_size": 20, "max_position_embeddings": 4},
        vision_config={**tower, "image_size": 8, "patch_size": 4},
        projection_dim=6,
    )
    torch.manual_seed(0)
    clip = CLIPModel(config).eval()
    with torch.no_grad():
        tokens, pixels = torch.randint(3, 20, (5, 4)), torch.randn(5, 3, 8, 8)
        found = clip(input_ids=tokens, pixel_values=pixels, return_loss=True)
        loss = contrastive_loss(found.image_embeds, found.text_embeds, scale=clip.logit_scale.exp())
    torch.testing.assert_close(loss, found.loss)


def test_either_side_may_come_first_and_lengths_do_not_matter():
    one, other = vectors()
    groups = torch.tensor(GROUPS[1])
    expected = contrastive_loss(one, other, groups, 5.0)
    torch.testing.assert_close(contrastive_loss(other, one, groups, 5.0), expected)
    torch.testing.assert_close(contrastive_loss(9.0 * one, 0.1 * other, groups, 5.0), expected)


def test_rows_of_one_group_are_drawn_together():
    """Two images of one group, each with a text at itself: only as one group are they drawn to each other's."""
    image, text = torch.eye(2), torch.eye(2, requires_grad=True)
    for groups, sign in ((torch.tensor([4, 4]), -1.0), (torch.tensor([4, 5]), 1.0)):
        text.grad = None
        contrastive_loss(image, text, groups).backward()
        assert torch.equal(text.grad.sign(), sign * (1.0 - torch.eye(2)))


def test_scale_is_learned():
    """A scale rises where the right ones are nearest already, and falls where they are furthest."""
    scale = torch.tensor(2.0, requires_grad=True)
    contrastive_loss(torch.eye(3), torch.eye(3), scale=scale).backward()
    assert scale.grad < 0
    scale.grad = None
    contrastive_loss(torch.eye(3), -torch.eye(3), scale=scale).backward()
    assert scale.grad > 0


def test_one_row_has_nothing_to_learn():
    one, other = vectors(rows=1)
    assert contrastive_loss(one, other, scale=10.0).item() == 0.0


def test_mixed_precision_compares_in_float32():
    """In bfloat16 cosines from 0.998 to 1 are the same."""
    angles = torch.linspace(0, 0.06, 4)
    one = torch.stack([angles.cos(), angles.sin()], dim=1)
    expected = contrastive_loss(one, one, scale=100.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(contrastive_loss(one, one, scale=100.0), expected)
        assert contrastive_loss(one.bfloat16(), one.bfloat16()).dtype == torch.float32


def test_no_row_has_nothing_to_learn():
    one, other = (torch.zeros(0, 3, requires_grad=True) for _ in range(2))
    loss = contrastive_loss(one, other, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert loss == 0.0
