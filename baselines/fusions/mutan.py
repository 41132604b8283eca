"""Fusion by a Tucker decomposition of low rank."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from mmbench.fusion import Features, Fusion, Masks, masked_mean
from mmbench_baselines.checks import require_positive

from .bilinear import neutral_if_missing


class MUTAN(Fusion):
    """Tucker fusion whose core has slices of rank R (MUTAN).

    y = W_o Σ_{r=1}^{R} (A_1,r x̃_1 ⊙ ... ⊙ A_M,r x̃_M) + b_o, with x̃_m = tanh(W_m x_m + b_m) and x_m the mean of
    modality m's tokens: slice k of the core is a sum of R outer products, that of the k-th rows of the A_m,r.

    Source: Ben-younes et al. 2017, "MUTAN: Multimodal Tucker Fusion for Visual Question Answering", with the products
    taken over M factors and every mode of D numbers.
    Parameters: (M + 1)·(D² + D) + M·R·D²: 53,440 for M = 2, D = 64.
    Modalities: any number. A missing one is a factor of ones in place of A_m,r x̃_m; all missing gives R·W_o 1 + b_o.
    Options: `rank`, R.
    """

    def __init__(self, modalities: Sequence[str], width: int, rank: int = 5) -> None:
        super().__init__(modalities, width)
        require_positive(rank=rank)
        self.rank = rank
        self.project = nn.ModuleList(nn.Linear(width, width) for _ in self.modalities)
        self.expand = nn.ModuleList(nn.Linear(width, rank * width, bias=False) for _ in self.modalities)
        self.output = nn.Linear(width, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        factors = [
            neutral_if_missing(expand(torch.tanh(project(masked_mean(features[m], mask[m])))), mask[m])
            for m, project, expand in zip(self.modalities, self.project, self.expand, strict=True)
        ]
        products = reduce(torch.mul, factors).reshape(-1, self.rank, self.width)
        fused: Tensor = self.output(products.sum(dim=1))
        return fused
