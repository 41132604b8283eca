"""Additive fusion."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class Sum(Fusion):
    """Sum of projected vectors, then a nonlinear layer.

    y = W_o relu(Σ_m (W_m x_m + b_m)) + b_o, with x_m the mean of modality m's tokens.

    Source: the element-wise sum that Fukui et al. 2016, "Multimodal Compact Bilinear Pooling", compare with.
    Parameters: (M + 1)·(D² + D).
    Modalities: any number. A missing one adds nothing; all missing gives b_o.
    """

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        super().__init__(modalities, width)
        self.project = nn.ModuleList(nn.Linear(width, width) for _ in self.modalities)
        self.output = nn.Linear(width, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        terms = [
            project(masked_mean(features[m], mask[m])) * present(mask[m]).unsqueeze(-1)
            for m, project in zip(self.modalities, self.project, strict=True)
        ]
        fused: Tensor = self.output(F.relu(torch.stack(terms).sum(dim=0)))
        return fused
