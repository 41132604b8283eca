"""A batch of tensors that do not all have one row a sample: patches of all images in one, say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from mmbench.model import Batch


@dataclass(frozen=True, slots=True)
class PackedBatch(Batch):
    """B samples, some of whose inputs are packed.

    Attributes:
        rows: of each packed input, how many of its rows belong to each sample; every other input has one a sample.
    """

    rows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def part(self, start: int, stop: int) -> Self:
        """Samples `start` to `stop`, with the padding that they have; an input that none of them has is left out."""
        inputs: dict[str, Tensor] = {}
        for name, tensor in self.inputs.items():
            counts = self.rows.get(name)
            first, last = (start, stop) if counts is None else (sum(counts[:start]), sum(counts[:stop]))
            if last > first:
                inputs[name] = tensor[first:last]
        return replace(
            self,
            size=stop - start,
            inputs=inputs,
            mask={name: there[start:stop] for name, there in self.mask.items()},
            targets=None if self.targets is None else self.targets[start:stop],
            rows={name: counts[start:stop] for name, counts in self.rows.items() if name in inputs},
        )


def packed_rows(
    inputs: Mapping[str, Tensor], images: Sequence[int], alone: Callable[[int], Mapping[str, Tensor]]
) -> dict[str, tuple[int, ...]]:
    """Which inputs are packed, and how many rows of them each sample has.

    Args:
        inputs: what the library's processor made of B samples together.
        images: how many each of them has.
        alone: what it makes of one of them; asked only where nothing else tells.

    Returns:
        Counts by name; an input that has one row a sample is not in it.

    Raises:
        ValueError: an input cannot be divided among the samples.
    """
    size, tokens = len(images), inputs["input_ids"].shape[:2]
    grids = [each for each in inputs.values() if each.dim() == 2 and each.shape[1] == 3 and len(each) == sum(images)]
    found: dict[str, tuple[int, ...]] = {}
    single: dict[int, Mapping[str, Tensor]] = {}
    for name, tensor in inputs.items():
        if tensor.shape[:2] == tokens or (len(tensor) == size and all(images)):
            continue
        counts: tuple[int, ...]
        by_grid = next((rows for grid in grids if sum(rows := _patches(grid, images)) == len(tensor)), None)
        if size == 1:
            counts = (len(tensor),)
        elif len(tensor) == sum(images):
            counts = tuple(images)
        elif by_grid is not None:
            counts = by_grid
        else:
            single = single or {row: alone(row) for row in range(size) if images[row]}
            counts = tuple(len(single[row].get(name, ())) if row in single else 0 for row in range(size))
        if sum(counts) == len(tensor):
            found[name] = counts
        elif len(tensor) != size:
            raise ValueError(f"{name} has {len(tensor)} rows, which cannot be divided among {size} samples")
    return found


def _patches(grid: Tensor, images: Sequence[int]) -> tuple[int, ...]:
    """Patches of each sample, by the number of images of each and a grid [N, 3] of each image."""
    each: list[int] = torch.prod(grid, dim=1).tolist()
    ends = [sum(images[: row + 1]) for row in range(len(images))]
    return tuple(sum(each[end - count : end]) for end, count in zip(ends, images, strict=True))
