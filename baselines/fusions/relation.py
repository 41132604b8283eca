"""Fusion by reasoning over pairs of tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class Relation(Fusion):
    """Looks at every ordered pair of the first modality's tokens, given the others (relation network).

    The first modality's T tokens are the objects o; x_c is the mean of condition c's tokens. With
    h_ij = g(o_i, o_j, x) = relu(A_L … relu(A_2 relu(P o_i + Q o_j + Σ_c V_c N x_c + a_1) + a_2) … + a_L), the result is
    relu(W N (1/T) Σ_ij h_ij + b). g's first layer, linear in what the paper concatenates, is applied to each object
    once and not to each pair. The sum over T² pairs is divided by T, so that neither it nor what one pair contributes
    changes its order of magnitude with the number of objects. Objects know where they are only from their encoder
    (`coordinates=true` of the CNN).

    N is batch norm, which the paper does not have: it takes out what all conditions and all sums have in common, and
    without it g takes many times as long to find that a question asks about one object and not about all. A condition
    that is missing in training counts as zeros in its statistics.

    Source: Santoro et al. 2017, "A simple neural network module for relational reasoning".
    Parameters: with L = `layers`, (M + L + 1)·D² + (2M + L + 1)·D: 20,928 for M = 2, D = 64, L = 2.
    Cost: (L - 1)·T²·D² multiplications, the rest is of order T·D².
    Modalities: one or more, the objects first. A missing condition adds nothing; missing objects are one object of
    zeros, so that g still sees the conditions.
    Options: `layers` of g, one or more (`ValueError` otherwise).
    """

    arity = (1, None)

    def __init__(self, modalities: Sequence[str], width: int, layers: int = 2) -> None:
        super().__init__(modalities, width)
        if layers < 1:
            raise ValueError(f"Relation needs at least one layer, not {layers}")
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width, bias=False)
        self.conditions = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in self.modalities[1:])
        self.condition_norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in self.modalities[1:])
        self.deeper = nn.ModuleList(nn.Linear(width, width) for _ in range(layers - 1))
        self.norm = nn.BatchNorm1d(width)
        self.output = nn.Linear(width, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        objects, *conditions = self.modalities
        there = mask[objects]
        # Cleaned before any layer: a NaN in a masked token would reach the weights' gradient.
        tokens = torch.where(there.unsqueeze(-1), features[objects], 0.0)
        # Where no object is there, the first, which is zeros now, stands for all.
        first = torch.arange(there.shape[1], device=there.device) == 0
        there = there | (first & ~present(there).unsqueeze(1))
        one = self.first(tokens)
        for layer, norm, condition in zip(self.conditions, self.condition_norms, conditions, strict=True):
            normed = norm(masked_mean(features[condition], mask[condition]))
            one = one + layer(normed * present(mask[condition]).unsqueeze(1)).unsqueeze(1)
        pairs = F.relu(one.unsqueeze(2) + self.second(tokens).unsqueeze(1))
        for layer in self.deeper:
            pairs = F.relu(layer(pairs))
        n = there.sum(dim=1, keepdim=True).to(pairs.dtype)
        weight = there.to(pairs.dtype) / n.sqrt()
        total = torch.einsum("bij,bijd->bd", weight.unsqueeze(2) * weight.unsqueeze(1), pairs)
        return F.relu(self.output(self.norm(total)))
