"""Tensor fusion."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.fusion import Features, Fusion, Masks, masked_mean, present
from mmbench_baselines.checks import require_positive

from .bilinear import largest_side, outer_product


class TensorFusion(Fusion):
    """One layer over the outer product of all vectors with a one appended (TFN).

    y = W vec([1; x̃_1] ⊗ ... ⊗ [1; x̃_M]) + b, with x̃_m = P_m x_m + p_m of k numbers and x_m the mean of modality m's
    tokens. The ones keep, besides the products of all modalities, those of every subset. The head that follows is the
    rest of the paper's network.

    Source: Zadeh et al. 2017, "Tensor Fusion Network for Multimodal Sentiment Analysis".
    Parameters: M·(D·k + k) + (k + 1)^M·D + D, with k the greatest number <= D, but at least 1, for which (k + 1)^M
    <= 1,000 (30 for M = 2, 9 for M = 3, 4 for M = 4): 65,468 for M = 2, D = 64.
    Cost: the outer product of (k + 1)^M numbers a sample besides.
    Modalities: any number. A missing one is [1; 0]; all missing gives the first column of W plus b.
    Options: `outer`, the most numbers that the outer product may have.
    """

    def __init__(self, modalities: Sequence[str], width: int, outer: int = 1000) -> None:
        super().__init__(modalities, width)
        require_positive(outer=outer)
        count = len(self.modalities)
        side = max(1, largest_side(outer, count, width + 1) - 1)
        self.project = nn.ModuleList(nn.Linear(width, side) for _ in self.modalities)
        self.output = nn.Linear((side + 1) ** count, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        vectors = [
            torch.where(present(mask[m]).unsqueeze(-1), project(masked_mean(features[m], mask[m])), 0.0)
            for m, project in zip(self.modalities, self.project, strict=True)
        ]
        fused: Tensor = self.output(outer_product([F.pad(x, (1, 0), value=1.0) for x in vectors]))
        return fused
