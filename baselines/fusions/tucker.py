"""Fusion by a Tucker decomposition."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbench.fusion import Features, Fusion, Masks, masked_mean
from mmbench_baselines.checks import require_positive

from .bilinear import largest_side, neutral_if_missing, outer_product


class Tucker(Fusion):
    """Full multilinear map between small projections (Tucker).

    y = W_o (T ×_1 x̃_1 ... ×_M x̃_M) + b_o, with x̃_m = tanh(W_m x_m + b_m) of t numbers, x_m the mean of modality m's
    tokens, and T the core of t^(M + 1) numbers: z_k = Σ_{i…j} T_{k,i…j} x̃_1,i ... x̃_M,j.

    Source: the Tucker fusion of Ben-younes et al. 2017, "MUTAN: Multimodal Tucker Fusion for Visual Question
    Answering", without its constraint on rank and with M input modes.
    Parameters: M·(D·t + t) + t^(M + 1) + t·D + D, with t the greatest number <= D for which t^(M + 1) <= 65,536:
    71,824 for M = 2, D = 64 (t = 40).
    Cost: the outer product of t^M numbers a sample besides.
    Modalities: any number. A missing one is x̃_m = 1, which sums the core over its mode; all missing sums the core over
    every input mode.
    Options: `core`, the most numbers that T may have.
    """

    def __init__(self, modalities: Sequence[str], width: int, core: int = 65_536) -> None:
        super().__init__(modalities, width)
        require_positive(core=core)
        count = len(self.modalities)
        side = largest_side(core, count + 1, width)
        self.project = nn.ModuleList(nn.Linear(width, side) for _ in self.modalities)
        self.core = nn.Linear(side**count, side, bias=False)
        self.output = nn.Linear(side, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        vectors = [
            neutral_if_missing(torch.tanh(project(masked_mean(features[m], mask[m]))), mask[m])
            for m, project in zip(self.modalities, self.project, strict=True)
        ]
        fused: Tensor = self.output(self.core(outer_product(vectors)))
        return fused
