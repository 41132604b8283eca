"""Fusion by the plain average."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class Mean(Fusion):
    """Average of projected vectors, then a linear layer.

    y = W_o mean_m(W_m x_m + b_m) + b_o, with x_m the mean of modality m's tokens.

    Source: Havaei et al. 2016, "HeMIS: Hetero-Modal Image Segmentation", which maps each modality into one space and
    averages over those available; its first moment alone.
    Parameters: (M + 1)·(D² + D).
    Modalities: any number. The mean runs over those present; all missing gives b_o.
    """

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        super().__init__(modalities, width)
        self.project = nn.ModuleList(nn.Linear(width, width) for _ in self.modalities)
        self.output = nn.Linear(width, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        here = torch.stack([present(mask[m]) for m in self.modalities], dim=1)
        vectors = [
            project(masked_mean(features[m], mask[m])) for m, project in zip(self.modalities, self.project, strict=True)
        ]
        fused: Tensor = self.output(masked_mean(torch.stack(vectors, dim=1), here))
        return fused
