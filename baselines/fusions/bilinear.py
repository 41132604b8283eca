"""What the bilinear fusions share: products with neutral factors, normalised products, and sizes of tensors."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

from mmbench.fusion import present

EPSILON = 1e-4
"""Bounds the slope of a root at zero, which would else make rounding errors as large as what is normalised."""


def neutral_if_missing(factor: Tensor, mask: Tensor) -> Tensor:
    """A factor [B, ...] of a product, ones for the samples whose mask [B, T] has no token."""
    here = present(mask).view(-1, *[1] * (factor.dim() - 1))
    return torch.where(here, factor, 1.0)


def outer_product(vectors: Sequence[Tensor]) -> Tensor:
    """[B, n_1], ..., [B, n_M] -> their outer product [B, n_1·...·n_M], the last index running fastest."""
    return reduce(lambda product, x: (product.unsqueeze(-1) * x.unsqueeze(-2)).flatten(1), vectors)


def power_normalise(z: Tensor) -> Tensor:
    """Signed square root, then unit Euclidean length, over the last dimension.

    Both roots are taken of a number that is `EPSILON` larger, so that the gradient is finite at zero, and zero stays
    zero. Of a single number no more than the sign is left.

    Source: Perronnin et al. 2010, "Improving the Fisher Kernel for Large-Scale Image Classification".
    """
    root = z / (z.abs() + EPSILON).sqrt()
    return root / (root.square().sum(dim=-1, keepdim=True) + EPSILON).sqrt()


def largest_side(size: int, order: int, most: int) -> int:
    """Greatest n <= `most`, and at least 1, with which a cube of n^order numbers has no more than `size`."""
    return max((n for n in range(1, most + 1) if n**order <= size), default=1)
