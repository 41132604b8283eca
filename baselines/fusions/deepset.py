"""Fusion of modalities as an unordered set."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class DeepSet(Fusion):
    """A perceptron over the maximum of normalised vectors, all through one projection (deep set).

    y = W_2 relu(W_1 max_m norm(P x_m + p) + b_1) + b_2, with x_m the mean of modality m's tokens, the maximum taken
    dimension by dimension, and norm(v) = √D v / ‖v‖. P is the same for all modalities and the maximum knows no order,
    so exchanging the vectors of two modalities changes nothing: what tells them apart must be in the vectors.

    Source: Reiter et al. 2020, "Deep Multi-Modal Sets", after Zaheer et al. 2017, "Deep Sets". The published norm has
    length 1; √D keeps the size of an entry the same at every width.
    Parameters: 3·(D² + D).
    Modalities: any number. The maximum runs over those present; all missing gives the perceptron of zeros.
    """

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        super().__init__(modalities, width)
        self.project = nn.Linear(width, width)
        self.hidden = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        here = torch.stack([present(mask[m]) for m in self.modalities], dim=1).unsqueeze(-1)
        vectors = torch.stack([masked_mean(features[m], mask[m]) for m in self.modalities], dim=1)
        # Dividing by the root of the mean square is the same as by the length over √D.
        members = F.rms_norm(self.project(vectors), (self.width,))
        highest = members.masked_fill(~here, torch.finfo(members.dtype).min).amax(dim=1)
        pooled = torch.where(here.any(dim=1), highest, 0.0)
        fused: Tensor = self.output(F.relu(self.hidden(pooled)))
        return fused
