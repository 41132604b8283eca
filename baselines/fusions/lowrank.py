"""Low-rank tensor fusion."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from mmbench.fusion import Features, Fusion, Masks, masked_mean
from mmbench_baselines.checks import require_positive


class LowRank(Fusion):
    """Tensor fusion whose weights have rank R, so that no outer product is formed (LMF).

    y = Σ_{r=1}^{R} w_r (W_1,r [x_1; 1] ⊙ ... ⊙ W_M,r [x_M; 1]) + b, with x_m the mean of modality m's tokens; the w_r
    start at one.

    Source: Liu et al. 2018, "Efficient Low-rank Multimodal Fusion with Modality-Specific Factors".
    Parameters: M·R·(D² + D) + R + D: 33,348 for M = 2, D = 64.
    Modalities: any number. A missing one is [0; 1], whose factor is the last column of W_m,r; all missing gives the sum
    of the products of those columns, plus b.
    Options: `rank`, R.
    """

    def __init__(self, modalities: Sequence[str], width: int, rank: int = 4) -> None:
        super().__init__(modalities, width)
        require_positive(rank=rank)
        self.rank = rank
        # A layer's bias is the column of W_m,r that the appended one selects.
        self.expand = nn.ModuleList(nn.Linear(width, rank * width) for _ in self.modalities)
        self.weight = nn.Parameter(torch.ones(rank))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        # The mean of no tokens is zeros, so a missing modality needs no case of its own.
        factors = [
            expand(masked_mean(features[m], mask[m])) for m, expand in zip(self.modalities, self.expand, strict=True)
        ]
        products: Tensor = reduce(torch.mul, factors).reshape(-1, self.rank, self.width)
        return (self.weight.unsqueeze(-1) * products).sum(dim=1) + self.bias
