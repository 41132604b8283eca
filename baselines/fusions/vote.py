"""Decision fusion by majority vote."""

import torch
from torch import Tensor
from torch.nn import functional as F

from mmbench.fusion import Features, Fusion, Masks, masked_mean, present


class Vote(Fusion):
    """Majority vote: each modality votes for its most probable class, and the mean probability breaks ties.

    y = log((Σ_m v_m + 1/n Σ_m p_m) / (n + 1)) over the n modalities present, with l_m [B, C] modality m's logits,
    p_m = softmax(l_m) and v_m the one-hot vector of its greatest entry (the first of equal ones). A class with more
    votes always wins, since the mean of the p_m lies at most (n - 1)/n lower for it than for another; between equal
    votes the greater mean does. The mean being one more vote, split between the classes, the shares sum to 1:
    log-probabilities, which are logits too.

    A vote has no gradient of its own; v_m passes on that of p_m (the straight-through estimator), so that the heads
    learn from the fused decision.

    Source: the majority vote rule of Kittler et al. 1998, "On Combining Classifiers"; Bengio et al. 2013, "Estimating
    or Propagating Gradients Through Stochastic Neurons for Conditional Computation".
    Parameters: 0.
    Modalities: any number. A missing one casts no vote; all missing gives log(1/C) for every class. With two, every
    disagreement is a tie between their two choices.
    """

    level = "decision"

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Logits {m: [B, 1, C]} and masks {m: [B, 1]} -> log-probabilities [B, C]."""
        here = torch.stack([present(mask[m]) for m in self.modalities], dim=1)
        p = torch.stack([masked_mean(features[m], mask[m]).softmax(dim=-1) for m in self.modalities], dim=1)
        # In this order p - p is exactly 0 and leaves the votes whole numbers.
        votes = F.one_hot(p.argmax(dim=-1), self.width) + (p - p.detach())
        count = here.sum(dim=1, keepdim=True)
        mean = torch.where(count > 0, masked_mean(p, here), 1.0 / self.width)
        share = ((votes * here.unsqueeze(-1)).sum(dim=1) + mean) / (count + 1)
        # The least positive number, not 0: a probability that underflows has no logarithm.
        return share.clamp(min=torch.finfo(share.dtype).tiny).log()
