"""Decision fusion by the product."""

import torch
from torch import Tensor

from mmbench.fusion import Features, Fusion, Masks, masked_mean


class ProductOfExperts(Fusion):
    """Product of the class probabilities that each modality gives on its own, renormalised.

    y = log softmax(Σ_m log softmax(l_m)), with l_m [B, C] modality m's logits: log-probabilities, which are logits
    too. One modality that all but rules a class out outvotes the others, unlike under the mean.

    Source: Hinton 2002, "Training Products of Experts by Minimizing Contrastive Divergence"; the product rule of
    Kittler et al. 1998, "On Combining Classifiers", with equal priors.
    Parameters: 0.
    Modalities: any number. A missing one is an expert that says nothing, the uniform distribution; all missing gives
    log(1/C) for every class.
    """

    level = "decision"

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Logits {m: [B, 1, C]} and masks {m: [B, 1]} -> log-probabilities [B, C]."""
        # A missing modality's logits become zeros, the uniform distribution, which the last softmax cancels.
        log_p = torch.stack([masked_mean(features[m], mask[m]).log_softmax(dim=-1) for m in self.modalities])
        return log_p.sum(dim=0).log_softmax(dim=-1)
