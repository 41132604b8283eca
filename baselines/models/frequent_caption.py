"""Floor: the same caption for everything."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import nn

from mmbench.model import Batch
from mmbench.sample import Dataset, Sample


class FrequentCaption(nn.Module):
    """Most frequent caption: says of everything what was said most often in training; reads no input.

    Captions are the same if they are so letter by letter; of equally frequent ones the first in the data is said.
    """

    modalities: tuple[str, ...] = ()

    def __init__(self, name: str, caption: str = "") -> None:
        super().__init__()
        self.name = name
        self.caption = caption

    @classmethod
    def create(cls, name: str, modalities: tuple[str, ...], samples: Dataset) -> Self:  # it reads none
        """With nothing to say yet."""
        return cls(name)

    @classmethod
    def restore(cls, name: str, config: Mapping[str, Any]) -> Self:
        """With the stored caption."""
        return cls(name, config["caption"])

    def stored_config(self) -> dict[str, Any]:
        """The caption."""
        return {"caption": self.caption}

    def fit(self, samples: Dataset) -> None:
        """Count the captions; a target is one or a list of them."""
        counts: Counter[str] = Counter()
        for index in range(len(samples)):
            target = samples[index].target
            counts.update([target] if isinstance(target, str) else target)
        self.caption = counts.most_common(1)[0][0]

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Nothing but the number of samples."""
        return Batch(len(samples), {}, {})

    def generate(self, batch: Batch) -> list[str]:
        """The caption, for every sample."""
        return [self.caption] * batch.size
