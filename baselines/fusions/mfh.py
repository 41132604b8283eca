"""Multi-modal factorised high-order pooling."""

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate

import torch
from torch import Tensor, nn

from mmbench.fusion import Features, Fusion, Masks, masked_mean
from mmbench_baselines.checks import require_positive

from .bilinear import neutral_if_missing, power_normalise


class MFH(Fusion):
    """Cascade of factorised bilinear poolings, each multiplied into the next (MFH).

    e_i = e_(i-1) ⊙ (U_1,i x_1 + u_1,i) ⊙ ... ⊙ (U_M,i x_M + u_M,i) for blocks i = 1 to p, with e_0 = 1, U_m,i of kD
    rows and x_m the mean of modality m's tokens; z_i = norm(SumPool_k(e_i)), with SumPool_k the sums of k neighbours
    and norm the signed square root followed by scaling to length 1 (so that of D = 1 only signs are left);
    y = W_o [z_1; ...; z_p] + b_o. Block 1 is MFB. The paper's dropout is left out.

    Source: Yu et al. 2018, "Beyond Bilinear: Generalized Multimodal Factorized High-Order Pooling for Visual Question
    Answering", with the products taken over M factors; W_o stands for its classifier and brings pD back to D.
    Parameters: M·p·k·(D² + D) + p·D² + D: 91,456 for M = 2, D = 64.
    Modalities: any number. A missing one is a factor of ones in every block; all missing gives W_o 1/√D + b_o.
    Options: `rank`, k; `blocks`, p.
    """

    def __init__(self, modalities: Sequence[str], width: int, rank: int = 5, blocks: int = 2) -> None:
        super().__init__(modalities, width)
        require_positive(rank=rank, blocks=blocks)
        self.blocks, self.rank = blocks, rank
        self.expand = nn.ModuleList(nn.Linear(width, blocks * rank * width) for _ in self.modalities)
        self.output = nn.Linear(blocks * width, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        factors = [
            neutral_if_missing(expand(masked_mean(features[m], mask[m])), mask[m])
            for m, expand in zip(self.modalities, self.expand, strict=True)
        ]
        products = reduce(torch.mul, factors).reshape(-1, self.blocks, self.width, self.rank)
        # Not cumprod, whose gradient has no deterministic kernel on some devices.
        cascade = torch.stack(list(accumulate(products.unbind(dim=1), torch.mul)), dim=1)
        fused: Tensor = self.output(power_normalise(cascade.sum(dim=-1)).flatten(1))
        return fused
