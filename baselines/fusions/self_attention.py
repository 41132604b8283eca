"""Fusion by joint self-attention."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from mmbench.attention import FUSED, tell_attention
from mmbench.fusion import Features, Fusion, Masks
from mmbench_baselines.fusions.transformer_block import TransformerBlock


class SelfAttention(Fusion):
    """One Transformer over the tokens of all modalities at once (early fusion).

    [s; X] <- SA([s; X_1 + e_1; ...; X_M + e_M]) for each of L pre-norm layers, with e_m a learned vector that marks
    modality m's tokens and s a learned summary token; y = norm(s). Tokens carry no position but what their encoder
    gave them, so their order within a modality does not matter.

    Source: Kim et al. 2021, "ViLT: Vision-and-Language Transformer Without Convolution or Region Supervision".
    Parameters: with e = `expansion`, L·((4 + 2e)·D² + (8 + e)·D) + (M + 3)·D: 67,136 for M = 2, D = 64.
    Cost: L·((4 + 2e)·N·D² + 2·N²·D) multiplications, with N = 1 + Σ_m T_m tokens.
    Modalities: any number. Nothing attends to a missing one; all missing leaves the summary token alone, the same
    result for every such sample.
    Options: `layers`, L, one or more (`ValueError` otherwise); `heads`, at most so many, the largest number that
    divides D; `expansion`, the feed-forward layer's hidden width in multiples of D.
    """

    attends = True

    def __init__(
        self, modalities: Sequence[str], width: int, layers: int = 2, heads: int = 4, expansion: int = 2
    ) -> None:
        super().__init__(modalities, width)
        if layers < 1:
            raise ValueError(f"SelfAttention needs at least one layer, not {layers}")
        self.summary = nn.Parameter(torch.empty(width))
        self.marks = nn.Parameter(torch.empty(len(self.modalities), width))
        for learned in (self.summary, self.marks):
            nn.init.normal_(learned, std=0.02)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, expansion) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        size = len(mask[self.modalities[0]])
        tokens, there = [self.summary.expand(size, 1, -1)], [mask[self.modalities[0]].new_ones(size, 1)]
        for modality, mark in zip(self.modalities, self.marks, strict=True):
            # Cleaned before any layer: a NaN in a masked token would reach the weights' gradient.
            tokens.append(torch.where(mask[modality].unsqueeze(-1), features[modality], 0.0) + mark)
            there.append(mask[modality])
        joint, visible = torch.cat(tokens, dim=1), torch.cat(there, dim=1)
        parts = dict(zip((FUSED, *self.modalities), there, strict=True))
        for number, block in enumerate(self.blocks, start=1):
            tell_attention(f"layer {number}", parts, parts, partial(block.weights, joint, visible))
            joint = block(joint, visible)
        fused: Tensor = self.norm(joint[:, 0])
        return fused
