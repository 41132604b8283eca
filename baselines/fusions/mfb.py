"""Multi-modal factorised bilinear pooling."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from mmbench.fusion import Features, Fusion, Masks, masked_mean
from mmbench_baselines.checks import require_positive

from .bilinear import neutral_if_missing, power_normalise


class MFB(Fusion):
    """Sums of k products of projections, normalised (MFB).

    y = norm(SumPool_k((U_1 x_1 + u_1) ⊙ ... ⊙ (U_M x_M + u_M))), with x_m the mean of modality m's tokens, U_m of kD
    rows, SumPool_k the sums of k neighbours, and norm the signed square root followed by scaling to length 1 (so that
    of D = 1 only a sign is left): before it, output i is a multilinear form of rank k. The paper's dropout is left out.

    Source: Yu et al. 2017, "Multi-modal Factorized Bilinear Pooling with Co-attention Learning for Visual Question
    Answering", with the product taken over M factors.
    Parameters: M·k·(D² + D): 41,600 for M = 2, D = 64.
    Modalities: any number. A missing one is a factor of ones; all missing gives 1/√D everywhere.
    Options: `rank`, k.
    """

    def __init__(self, modalities: Sequence[str], width: int, rank: int = 5) -> None:
        super().__init__(modalities, width)
        require_positive(rank=rank)
        self.rank = rank
        self.expand = nn.ModuleList(nn.Linear(width, rank * width) for _ in self.modalities)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        factors = [
            neutral_if_missing(expand(masked_mean(features[m], mask[m])), mask[m])
            for m, expand in zip(self.modalities, self.expand, strict=True)
        ]
        products = reduce(torch.mul, factors).reshape(-1, self.width, self.rank)
        return power_normalise(products.sum(dim=-1))
