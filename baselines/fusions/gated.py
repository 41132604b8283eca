"""Fusion by gated multimodal units."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.attention import tell_shares
from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class Gated(Fusion):
    """A learned gate mixes the modalities, dimension by dimension (GMU).

    y = Σ_m z_m ⊙ tanh(W_m x_m + b_m), with x_m the mean of modality m's tokens and the gates z = softmax over m of
    [G [x_1; ...; x_M] + g; 0]. The last modality's score is held at 0, since a softmax only sees differences; with two
    modalities this is the published z = σ(G [x_1; x_2] + g) and 1 - z.

    Source: Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion".
    Parameters: M·(D² + D) + (M - 1)·(M·D² + D).
    Modalities: two or more. A missing one is zeros to the gate, and gates are renormalised over those present; all
    missing gives zeros.
    """

    arity = (2, None)
    attends = True

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        super().__init__(modalities, width)
        count = len(self.modalities)
        self.project = nn.ModuleList(nn.Linear(width, width) for _ in self.modalities)
        self.gate = nn.Linear(count * width, (count - 1) * width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        here = torch.stack([present(mask[m]) for m in self.modalities], dim=1).unsqueeze(-1)
        vectors = [masked_mean(features[m], mask[m]) for m in self.modalities]
        scores = F.pad(self.gate(torch.cat(vectors, dim=-1)), (0, self.width))
        scores = scores.reshape(-1, len(self.modalities), self.width)
        # The least finite number, not -inf: a sample without any modality must not become 0/0.
        gates = scores.masked_fill(~here, torch.finfo(scores.dtype).min).softmax(dim=1) * here
        tell_shares("gates", here.squeeze(-1), lambda: gates.transpose(1, 2))  # each dimension a head
        values = torch.stack([torch.tanh(p(x)) for p, x in zip(self.project, vectors, strict=True)], dim=1)
        fused: Tensor = (gates * values).sum(dim=1)
        return fused
