"""Drawing what belongs together close, and everything else apart."""

import torch
from torch import Tensor
from torch.nn import functional as F

from mmbench.collective import gather_rows


def contrastive_loss(one: Tensor, other: Tensor, groups: Tensor | None = None, scale: Tensor | float = 1.0) -> Tensor:
    """Symmetric cross-entropy of which vector of `other` belongs to each of `one`, and the reverse.

    Rows of the same group all belong together, so that a second caption of an image is not taught to be wrong: the
    target probability is spread evenly over them. Of several processes, which must all call it, each has its own part
    of the rows, and all find the loss of the whole.

    Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision"; with several
    right answers as in Khosla et al. 2020, "Supervised Contrastive Learning".

    Args:
        one: vectors [B, D], of any length; their directions are compared, in float32 at least.
        other: vectors [B, D]; row i belongs to row i of `one`.
        groups: integers [B]; `None` where every row is a group of its own.
        scale: what cosines are multiplied by, one over the temperature.

    Returns:
        The mean over both directions, a scalar; 0 without rows.
    """
    with torch.autocast(one.device.type, enabled=False):  # bfloat16 cannot tell cosines apart that are near each other
        one, other = (gather_rows(x.to(torch.promote_types(x.dtype, torch.float32))) for x in (one, other))
        groups = torch.arange(len(one), device=one.device) if groups is None else gather_rows(groups)
        if not len(one):
            return one.sum() + other.sum()  # the mean over no row is NaN
        cosines = F.normalize(one, dim=-1) @ F.normalize(other, dim=-1).T
        together = (groups.unsqueeze(0) == groups.unsqueeze(1)).to(cosines.dtype)
        target = together / together.sum(dim=1, keepdim=True)
        logits = scale * cosines
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
