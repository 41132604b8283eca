"""Fusion by learned weights, one a modality."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbench.attention import tell_shares
from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class Weighted(Fusion):
    """Average of projected vectors under one learned weight a modality.

    y = Σ_m softmax(s)_m (W_m x_m + b_m), with x_m the mean of modality m's tokens and s learned, the same for every
    sample; s starts at zero, which is the plain average.

    Source: a learned convex combination; the static case of Arevalo et al. 2017, "Gated Multimodal Units".
    Parameters: M·(D² + D) + M.
    Modalities: two or more. Weights are renormalised over those present; all missing gives zeros.
    """

    arity = (2, None)
    attends = True

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        super().__init__(modalities, width)
        self.project = nn.ModuleList(nn.Linear(width, width) for _ in self.modalities)
        self.scores = nn.Parameter(torch.zeros(len(self.modalities)))

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        here = torch.stack([present(mask[m]) for m in self.modalities], dim=1)
        vectors = [
            project(masked_mean(features[m], mask[m])) for m, project in zip(self.modalities, self.project, strict=True)
        ]
        # The least finite number, not -inf: a sample without any modality must not become 0/0.
        scores = self.scores.expand(here.shape).masked_fill(~here, torch.finfo(self.scores.dtype).min)
        weights = scores.softmax(dim=1) * here
        tell_shares("weights", here, lambda: weights.unsqueeze(1))
        return (weights.unsqueeze(-1) * torch.stack(vectors, dim=1)).sum(dim=1)
