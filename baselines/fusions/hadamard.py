"""Multiplicative fusion."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class Hadamard(Fusion):
    """Element-wise product of projected vectors (MLB).

    y = W_o (tanh(W_1 x_1 + b_1) ⊙ ... ⊙ tanh(W_M x_M + b_M)) + b_o, with x_m the mean of modality m's tokens.

    Source: Kim et al. 2017, "Hadamard Product for Low-rank Bilinear Pooling", with the product taken over M factors.
    Parameters: (M + 1)·(D² + D).
    Modalities: any number. A missing one is a factor of ones; all missing gives W_o 1 + b_o.
    """

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        super().__init__(modalities, width)
        self.project = nn.ModuleList(nn.Linear(width, width) for _ in self.modalities)
        self.output = nn.Linear(width, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        product: Tensor | float = 1.0
        for modality, project in zip(self.modalities, self.project, strict=True):
            factor = torch.tanh(project(masked_mean(features[modality], mask[modality])))
            product = product * torch.where(present(mask[modality]).unsqueeze(-1), factor, 1.0)
        fused: Tensor = self.output(product)
        return fused
