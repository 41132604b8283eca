"""Floor: hears nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmbench.model import Batch
from mmbench.sample import Dataset, Sample


class EmptyTranscript:
    """Answers every recording with no words at all: all that is said is missing, a word error rate of 1."""

    modalities: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Nothing but the number of samples."""
        return Batch(len(samples), {}, {})

    def generate(self, batch: Batch) -> list[str]:
        """An empty text a sample."""
        return [""] * batch.size


class EmptyTranscriptFactory:
    """Makes the floor, which learns nothing and needs no weights."""

    def open(self, name: str) -> EmptyTranscript:
        """Ready to be asked."""
        return EmptyTranscript(name)

    def create(self, name: str, modalities: tuple[str, ...], samples: Dataset) -> EmptyTranscript:
        """The same, whatever the samples are; training refuses it."""
        return EmptyTranscript(name)

    def restore(self, name: str, config: Mapping[str, Any]) -> EmptyTranscript:
        """The same, since there is nothing to store."""
        return EmptyTranscript(name)


empty_transcript = EmptyTranscriptFactory()
"""No words for any recording."""
