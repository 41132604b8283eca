"""Values of several processes as those of one; without others, everything stays as it is.

What each process learns from is averaged over processes. A loss that is the same in all, computed from what all have,
then has the value and the gradient that one process with all samples would find.
"""

from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd import Function


def together() -> bool:
    """Whether there are other processes to compute with."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def sum_over_processes(own: Tensor) -> Tensor:
    """The sum of every process's tensor of this shape, with gradient to each of them; all must call it together."""
    if not together():
        return own
    total: Tensor = _Sum.apply(own)  # type: ignore[no-untyped-call]  # as PyTorch has it
    return total


def mean_over_processes(own: Tensor, count: Tensor) -> Tensor:
    """The mean over the samples of all processes.

    Args:
        own: the mean over this process's samples, a scalar; anything finite if there are none.
        count: how many they are, a scalar.

    Returns:
        A scalar with gradient; 0 where nobody has a sample.
    """
    if not together():
        return own
    return sum_over_processes(own * count) / sum_over_processes(count).clamp(min=1)


def gather_rows(own: Tensor) -> Tensor:
    """Rows [N, ...] of all processes, by rank, with gradient; each may have another number of them, or none."""
    if not together():
        return own
    rank = distributed.get_rank()
    counts = torch.zeros(distributed.get_world_size(), dtype=torch.int64, device=own.device)
    counts[rank] = len(own)
    sizes: list[int] = sum_over_processes(counts).tolist()
    # A sum with zeros is exact, and the numbers of rows may be any.
    before, after = (own.new_zeros(sum(part), *own.shape[1:]) for part in (sizes[:rank], sizes[rank + 1 :]))
    return sum_over_processes(torch.cat([before, own, after]))


class _Sum(Function):
    """A sum over processes; the gradient of its input is the sum of those that the processes have for the result."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total
