"""Fusion by feature-wise linear modulation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class FiLM(Fusion):
    """Every other modality scales and shifts the first one's tokens (FiLM).

    The first modality is the content, its tokens y_t. Each further modality c, in order, conditions it:
    y_t <- relu((1 + γ_c) ⊙ (P_c y_t + p_c) + β_c), with [γ_c; β_c] = G_c x_c + g_c and x_c the mean of c's tokens.
    The result is W [mean_t y_t; max_t y_t] + b.

    Source: Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer".
    Parameters: 3·(M - 1)·(D² + D) + 2·D² + D.
    Modalities: two or more, the content first. A missing condition modulates nothing (γ = β = 0); missing content is
    one token of zeros, so that β carries the conditions; all missing passes that token through the P_c alone.
    """

    arity = (2, None)

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        super().__init__(modalities, width)
        conditions = self.modalities[1:]
        self.project = nn.ModuleList(nn.Linear(width, width) for _ in conditions)
        self.generate = nn.ModuleList(nn.Linear(width, 2 * width) for _ in conditions)
        self.output = nn.Linear(2 * width, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        content, *conditions = self.modalities
        there = mask[content]
        # Cleaned before the projection: a NaN in a masked token would reach the weights' gradient through it.
        tokens = torch.where(there.unsqueeze(-1), features[content], 0.0)
        first = torch.arange(there.shape[1], device=there.device) == 0
        there = there | (first & ~present(there).unsqueeze(-1))
        for condition, project, generate in zip(conditions, self.project, self.generate, strict=True):
            modulation = generate(masked_mean(features[condition], mask[condition]))
            modulation = modulation * present(mask[condition]).unsqueeze(-1)
            gamma, beta = modulation.unsqueeze(1).chunk(2, dim=-1)
            tokens = F.relu((1.0 + gamma) * project(tokens) + beta)
        # Tokens are at least zero after relu, so a masked one at zero never wins the maximum from one that is there.
        highest = torch.where(there.unsqueeze(-1), tokens, 0.0).amax(dim=1)
        fused: Tensor = self.output(torch.cat([masked_mean(tokens, there), highest], dim=-1))
        return fused
