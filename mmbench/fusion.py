"""The contract of a fusion strategy.

A user who writes one `Fusion` and registers it gets encoders, a head, training, evaluation, cost and a leaderboard row.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

Features = Mapping[str, Tensor]
Masks = Mapping[str, Tensor]


def masked_mean(features: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens that are there: [B, T, D] and [B, T] -> [B, D]; zeros where none is."""
    weight = mask.unsqueeze(-1).to(features.dtype)
    # where() and not a product alone: a masked token may hold anything, infinities included.
    total = torch.where(mask.unsqueeze(-1), features, 0.0).sum(dim=1)
    return total / weight.sum(dim=1).clamp(min=1.0)


def present(mask: Tensor) -> Tensor:
    """Which samples have the modality at all: [B, T] -> [B]."""
    return mask.any(dim=1)


class Fusion(nn.Module, ABC):
    """Base of every fusion strategy.

    Class attributes:
        level: `"feature"`: tokens of encoders in, one vector for the head out. `"decision"`: each modality has gone
            through a head of its own, so D is the number of classes, T is 1, and the result is logits.
        arity: least and greatest number of modalities; `None` for no upper bound.
        attends: whether it tells its weights over tokens or modalities (`mmbench.attention`).
    """

    level: ClassVar[Literal["feature", "decision"]] = "feature"
    arity: ClassVar[tuple[int, int | None]] = (1, None)
    attends: ClassVar[bool] = False

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        """Args:
            modalities: names, in the order that an asymmetric strategy reads them.
            width: D, equal for every modality and for the output.

        Raises:
            ValueError: the strategy does not take that many modalities.
        """
        super().__init__()
        least, most = self.arity
        if len(modalities) < least or (most is not None and len(modalities) > most):
            bounds = (
                f"at least {least}" if most is None else f"{least} to {most}" if most > least else f"exactly {least}"
            )
            raise ValueError(f"{type(self).__name__} fuses {bounds} modalities, not {', '.join(modalities)}")
        self.modalities = tuple(modalities)
        self.width = width

    @abstractmethod
    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Fuse {modality: [B, T, D]} under {modality: [B, T]} (true where there is a token) into [B, D].

        A modality that a sample lacks is all false in its mask; what stands there must not matter.
        """
