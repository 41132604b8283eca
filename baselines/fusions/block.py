"""Fusion by a block-term decomposition."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from mmbench.fusion import Features, Fusion, Masks, masked_mean
from mmbench_baselines.checks import require_positive

from .bilinear import neutral_if_missing


class BLOCK(Fusion):
    """Tucker fusion whose core is block-superdiagonal, its blocks of low rank (BLOCK).

    y = W_o [z_1; ...; z_C] + b_o, with z_c = Σ_{r=1}^{R} (A_1,c,r x̃_1,c ⊙ ... ⊙ A_M,c,r x̃_M,c). Each projection
    x̃_m = W_m x_m + b_m, with x_m the mean of modality m's tokens, is cut into C chunks of L = ⌈D / C⌉ numbers; chunk c
    of one modality meets chunk c of the others alone.

    Source: Ben-younes et al. 2019, "BLOCK: Bilinear Superdiagonal Fusion for Visual Question Answering and Visual
    Relationship Detection". The block-term decomposition has any number of modes, so M modalities are M input modes and
    nothing is chained.
    Parameters: M·(D·K + K) + M·R·C·L² + K·D + D, with K = C·L: 28,864 for M = 2, D = 64.
    Modalities: any number. A missing one is ones in place of all A_m,c,r x̃_m,c; all missing gives R·W_o 1 + b_o.
    Options: `chunks`, C; `rank`, R.
    """

    def __init__(self, modalities: Sequence[str], width: int, chunks: int = 4, rank: int = 8) -> None:
        super().__init__(modalities, width)
        require_positive(chunks=chunks, rank=rank)
        side = -(-width // chunks)
        modes = chunks * side
        self.project = nn.ModuleList(nn.Linear(width, modes) for _ in self.modalities)
        self.blocks = nn.Parameter(torch.empty(len(self.modalities), chunks, rank, side, side))
        # As nn.Linear starts a layer of L inputs.
        nn.init.uniform_(self.blocks, -(side**-0.5), side**-0.5)
        self.output = nn.Linear(modes, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        factors = [
            neutral_if_missing(_within_chunks(project(masked_mean(features[m], mask[m])), blocks), mask[m])
            for m, project, blocks in zip(self.modalities, self.project, self.blocks, strict=True)
        ]
        fused: Tensor = self.output(reduce(torch.mul, factors).sum(dim=2).flatten(1))
        return fused


def _within_chunks(x: Tensor, blocks: Tensor) -> Tensor:
    """Every chunk through its R matrices: [B, K] and [C, R, L, L] -> [B, C, R, L]."""
    chunks, _, _, side = blocks.shape
    return torch.einsum("bcj,crij->bcri", x.reshape(len(x), chunks, side), blocks)
