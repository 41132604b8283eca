"""Fusion through attention bottlenecks."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from mmbench.attention import tell_attention
from mmbench.fusion import Features, Fusion, Masks, masked_mean, present
from mmbench_baselines.fusions.transformer_block import TransformerBlock


class Bottleneck(Fusion):
    """A Transformer for each modality; they exchange what passes through a few shared tokens (MBT).

    In each of L pre-norm layers, [X_m; Z_m] <- SA_m([X_m; Z]) for every modality m with weights of its own, then
    Z <- mean_m Z_m; Z starts as B learned tokens. The result is y = mean_b norm(Z_b). Modality m's tokens never attend
    to another's: what they learn of it stood in Z one layer before. Tokens carry no position but what their encoder
    gave them.

    Source: Nagrani et al. 2021, "Attention Bottlenecks for Multimodal Fusion", every layer a fusion layer. The paper
    reads class tokens of its 12 layers; reading Z instead makes the last layer count too, which with few layers is
    what lets one modality choose among the tokens of another.
    Parameters: with e = `expansion`, L·M·((4 + 2e)·D² + (8 + e)·D) + (B + 2)·D: 134,016 for M = 2, D = 64.
    Cost: L·Σ_m ((4 + 2e)·N_m·D² + 2·N_m²·D) multiplications, with N_m = T_m + B tokens.
    Modalities: any number. The mean runs over those present; all missing leaves Z as it starts, the same result for
    every such sample.
    Options: `bottlenecks`, B, and `layers`, L, one or more each (`ValueError` otherwise; with one layer the modalities
    meet in the last mean alone); `heads`, at most so many, the largest number that divides D; `expansion`, the
    feed-forward layer's hidden width in multiples of D.
    """

    attends = True

    def __init__(
        self,
        modalities: Sequence[str],
        width: int,
        bottlenecks: int = 4,
        layers: int = 2,
        heads: int = 4,
        expansion: int = 2,
    ) -> None:
        super().__init__(modalities, width)
        if bottlenecks < 1 or layers < 1:
            raise ValueError(f"Bottleneck needs at least one token and one layer, not {bottlenecks} and {layers}")
        self.bottlenecks = nn.Parameter(torch.empty(bottlenecks, width))
        nn.init.normal_(self.bottlenecks, std=0.02)
        self.layers = nn.ModuleList(
            nn.ModuleList(TransformerBlock(width, heads, expansion) for _ in self.modalities) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        here = torch.stack([present(mask[m]) for m in self.modalities], dim=1)
        shared = self.bottlenecks.expand(len(here), -1, -1)
        always = here.new_ones(shared.shape[:2])
        there = [torch.cat([mask[m], always], dim=1) for m in self.modalities]
        # Cleaned before any layer: a NaN in a masked token would reach the weights' gradient.
        tokens = [torch.where(mask[m].unsqueeze(-1), features[m], 0.0) for m in self.modalities]
        for number, blocks in enumerate(self.layers, start=1):
            seen = []
            for index, (modality, block) in enumerate(zip(self.modalities, blocks, strict=True)):
                length = tokens[index].shape[1]
                joint = torch.cat([tokens[index], shared], dim=1)
                parts = {modality: mask[modality], "bottleneck": always}
                tell_attention(f"layer {number}", parts, parts, partial(block.weights, joint, there[index]))
                joint = block(joint, there[index])
                tokens[index] = joint[:, :length]
                seen.append(joint[:, length:].flatten(1))
            mean = masked_mean(torch.stack(seen, dim=1), here).unflatten(1, shared.shape[1:])
            shared = torch.where(here.any(dim=1)[:, None, None], mean, shared)
        fused: Tensor = self.norm(shared).mean(dim=1)
        return fused
