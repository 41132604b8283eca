"""Fusion by concatenation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.fusion import Features, Fusion, Masks, masked_mean


class Concat(Fusion):
    """One layer over the concatenated vectors.

    y = relu(W [x_1; ...; x_M] + b), with x_m the mean of modality m's tokens. The head that follows is the rest of
    the usual multilayer perceptron.

    Source: the early-fusion baseline of Baltrusaitis et al. 2019, "Multimodal Machine Learning: A Survey and Taxonomy".
    Parameters: M·D² + D.
    Modalities: any number. A missing one is a vector of zeros; all missing gives relu(b).
    """

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        super().__init__(modalities, width)
        self.mix = nn.Linear(len(self.modalities) * width, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        vectors = [masked_mean(features[m], mask[m]) for m in self.modalities]
        return F.relu(self.mix(torch.cat(vectors, dim=-1)))
