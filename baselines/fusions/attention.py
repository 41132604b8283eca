"""Fusion by attention over modalities."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbench.attention import tell_shares
from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class Attention(Fusion):
    """Average of projected vectors under weights that each sample's content decides.

    y = Σ_m softmax(A [x_1; ...; x_M] + a)_m (W_m x_m + b_m), with x_m the mean of modality m's tokens.

    Source: modality attention, Hori et al. 2017, "Attention-Based Multimodal Fusion for Video Description".
    Parameters: M·(D² + D) + M²·D + M.
    Modalities: two or more. A missing one is zeros to the scores, and the weights are renormalised over those present;
    all missing gives zeros.
    """

    arity = (2, None)
    attends = True

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        super().__init__(modalities, width)
        count = len(self.modalities)
        self.project = nn.ModuleList(nn.Linear(width, width) for _ in self.modalities)
        self.score = nn.Linear(count * width, count)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        here = torch.stack([present(mask[m]) for m in self.modalities], dim=1)
        vectors = [masked_mean(features[m], mask[m]) for m in self.modalities]
        scores: Tensor = self.score(torch.cat(vectors, dim=-1))
        # The least finite number, not -inf: a sample without any modality must not become 0/0.
        weights = scores.masked_fill(~here, torch.finfo(scores.dtype).min).softmax(dim=1) * here
        tell_shares("weights", here, lambda: weights.unsqueeze(1))
        values = torch.stack([project(x) for project, x in zip(self.project, vectors, strict=True)], dim=1)
        return (weights.unsqueeze(-1) * values).sum(dim=1)
