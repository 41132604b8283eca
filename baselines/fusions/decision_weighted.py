"""Decision fusion by learned weights."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class DecisionWeighted(Fusion):
    """Learned mixture of the class probabilities that each modality gives on its own.

    y = log(Σ_m softmax(s)_m softmax(l_m)), with l_m [B, C] modality m's logits and s learned, one a modality; s starts
    at zero, which is the plain mean. Log-probabilities, which are logits too.

    Source: the linear opinion pool, Stone 1961, "The Opinion Pool".
    Parameters: M.
    Modalities: two or more. Weights are renormalised over those present; all missing gives log(1/C) for every class.
    """

    level = "decision"
    arity = (2, None)

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        super().__init__(modalities, width)
        self.scores = nn.Parameter(torch.zeros(len(self.modalities)))

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Logits {m: [B, 1, C]} and masks {m: [B, 1]} -> log-probabilities [B, C]."""
        here = torch.stack([present(mask[m]) for m in self.modalities], dim=1)
        # A missing modality's logits become zeros, the uniform distribution.
        log_p = torch.stack([masked_mean(features[m], mask[m]).log_softmax(dim=-1) for m in self.modalities], dim=1)
        # The least finite number, not -inf: the logarithm of no probability at all has no gradient.
        scores = self.scores.expand(here.shape).masked_fill(~here, torch.finfo(self.scores.dtype).min)
        return torch.logsumexp(log_p + scores.log_softmax(dim=1).unsqueeze(-1), dim=1)
