"""Fusion by cross-modal attention."""

from collections.abc import Sequence
from functools import partial
from itertools import permutations

import torch
from torch import Tensor, nn

from mmbench.attention import tell_attention
from mmbench.fusion import Features, Fusion, Masks, masked_mean, present
from mmbench_baselines.fusions.transformer_block import attend, attention_weights, fitting_heads


class CrossModalBlock(nn.Module):
    """Tokens of one modality attend to those of another: pre-norm attention, then a feed-forward layer."""

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = fitting_heads(width, heads)
        self.target_norm = nn.LayerNorm(width)
        self.source_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        # No bias: one added to every key shifts all scores of a query alike, which the softmax undoes.
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, expansion * width), nn.ReLU(), nn.Linear(expansion * width, width))

    def forward(self, target: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """Tokens [B, T, D] that ask, tokens [B, S, D] and mask [B, S] that answer -> [B, T, D]."""
        here = present(source_mask)[:, None, None]
        source = self.source_norm(source)
        query, key, value = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x in (self.query(self.target_norm(target)), self.key(source), self.value(source))
        )
        # A softmax over no key at all is NaN, so a missing source opens every key and its answer is dropped after.
        open_keys = source_mask[:, None, None, :] | ~here.unsqueeze(-1)
        answer = attend(query, key, value, open_keys)
        target = target + self.merge(answer.transpose(1, 2).flatten(2)) * here
        result: Tensor = target + self.feed(self.feed_norm(target))
        return result

    def weights(self, target: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """Attention weights [B, H, T, S] of the same arguments; zeros where the source is missing."""
        here = present(source_mask)[:, None, None, None]
        query, key = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x in (self.query(self.target_norm(target)), self.key(self.source_norm(source)))
        )
        return attention_weights(query, key, source_mask[:, None, None, :] | ~here) * here


class CrossAttention(Fusion):
    """Tokens of each modality attend to those of every other (MulT's block).

    For each ordered pair (α, β): Y = X_α + softmax(Q(X_α) K(X_β)ᵀ / √(D / heads)) V(X_β), then Y + FF(Y), both behind
    layer norms. The means over tokens of all M(M - 1) results are concatenated and projected to D. Tokens carry no
    position but what their encoder gave them.

    Source: Tsai et al. 2019, "Multimodal Transformer for Unaligned Multimodal Language Sequences", one layer a pair.
    Parameters: M(M - 1)·((5 + 2e)·D² + (10 + e)·D) + D with e the expansion: 75,328 for M = 2, D = 64.
    Cost: with T tokens in each modality, M(M - 1)·((4 + 2e)·T·D² + 2·T²·D) multiplications.
    Modalities: two or more. A missing β leaves α's tokens to the feed-forward layer alone; a missing α gives a vector
    of zeros; all missing gives the last layer's bias.
    Options: `heads`, at most so many, the largest number that divides D; `expansion`, the feed-forward layer's hidden
    width in multiples of D.
    """

    arity = (2, None)
    attends = True

    def __init__(self, modalities: Sequence[str], width: int, heads: int = 4, expansion: int = 2) -> None:
        super().__init__(modalities, width)
        self.pairs = tuple(permutations(self.modalities, 2))
        self.blocks = nn.ModuleList(CrossModalBlock(width, heads, expansion) for _ in self.pairs)
        self.output = nn.Linear(len(self.pairs) * width, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        # Cleaned before any layer: a NaN in a masked token would reach the weights' gradient.
        tokens = {m: torch.where(mask[m].unsqueeze(-1), features[m], 0.0) for m in self.modalities}
        pooled = []
        for (target, source), block in zip(self.pairs, self.blocks, strict=True):
            given = tokens[target], tokens[source], mask[source]
            tell_attention("layer 1", {target: mask[target]}, {source: mask[source]}, partial(block.weights, *given))
            pooled.append(masked_mean(block(*given), mask[target]))
        fused: Tensor = self.output(torch.cat(pooled, dim=-1))
        return fused
