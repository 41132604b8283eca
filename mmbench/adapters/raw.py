"""A batch of decoded values, for models that make no tensors of them: servers, and libraries with their own loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch

from mmbench.data.audio import load_audio
from mmbench.data.decode import load_image
from mmbench.model import Batch
from mmbench.sample import Modality, Sample


@dataclass(frozen=True, slots=True)
class RawBatch(Batch):
    """B samples as they are.

    Attributes:
        values: by modality a value each, `None` where it is missing: an RGB image, a text, mono `Audio`.
    """

    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def part(self, start: int, stop: int) -> Self:
        """Samples `start` to `stop`."""
        mask = {name: there[start:stop] for name, there in self.mask.items()}
        values = {name: each[start:stop] for name, each in self.values.items()}
        return replace(self, size=stop - start, mask=mask, values=values)


def raw_batch(samples: Sequence[Sample], modalities: Sequence[str], *, rate: int | None = None) -> RawBatch:
    """Decode samples and keep the values.

    Args:
        samples: B of them.
        modalities: what the model reads.
        rate: Hz to which audio is resampled.

    Raises:
        DecodeError: a file cannot be decoded.
    """
    values = {m: tuple(_decoded(m, sample.inputs.get(m), rate) for sample in samples) for m in modalities}
    mask = {m: torch.tensor([value is not None for value in each]) for m, each in values.items()}
    return RawBatch(len(samples), {}, mask, values=values)


def _decoded(modality: str, value: Any, rate: int | None) -> Any:
    if value is None or modality == Modality.TEXT:
        return value
    return load_audio(value, rate=rate) if modality == Modality.AUDIO else load_image(value)
