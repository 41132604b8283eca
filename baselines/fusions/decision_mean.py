"""Decision fusion by the mean."""

import torch
from torch import Tensor

from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class DecisionMean(Fusion):
    """Mean of the class probabilities that each modality gives on its own.

    y = log(1/M Σ_m softmax(l_m)), with l_m [B, C] modality m's logits: log-probabilities, which are logits too.

    Source: the sum rule of Kittler et al. 1998, "On Combining Classifiers".
    Parameters: 0.
    Modalities: any number. The mean runs over those present; all missing gives log(1/C) for every class.
    """

    level = "decision"

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Logits {m: [B, 1, C]} and masks {m: [B, 1]} -> log-probabilities [B, C]."""
        here = torch.stack([present(mask[m]) for m in self.modalities], dim=1)
        # A missing modality's logits become zeros, the uniform distribution.
        log_p = torch.stack([masked_mean(features[m], mask[m]).log_softmax(dim=-1) for m in self.modalities], dim=1)
        # The least finite number, not -inf: the logarithm of no probability at all has no gradient.
        scores = torch.zeros_like(log_p[..., 0]).masked_fill(~here, torch.finfo(log_p.dtype).min)
        return torch.logsumexp(log_p + scores.log_softmax(dim=1).unsqueeze(-1), dim=1)
