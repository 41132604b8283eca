"""Where tokens stand, as vectors that are added to them."""

import torch
from torch import Tensor


def sinusoids(length: int, width: int, base: float = 10_000.0) -> Tensor:
    """Sines, then cosines [T, D] that tell places apart, of wavelengths from 2π to about `base` times that.

    They have no last place, so a sequence may be of any length. Source: section 3.5 of Vaswani et al. 2017, "Attention
    Is All You Need", with its components in another order.

    Args:
        length: T.
        width: D.
        base: a few times the number of places that there will be.
    """
    half = -(-width // 2)
    angles = torch.arange(length).unsqueeze(1) * base ** (-torch.arange(half) / half)
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]
