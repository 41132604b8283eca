"""Reader of data sets on the Hugging Face hub that have a column of images and one of labels."""

from typing import Any

from mmbench.data.card import DatasetCard
from mmbench.data.hub import open_hub
from mmbench.errors import UsageError
from mmbench.sample import Sample


class HubImages:
    """One split, from the hub or a copy of it; labels are the names of the hub's classes, or texts as they stand.

    Attributes:
        revision: the hub's commit, where it is known.
    """

    def __init__(self, card: DatasetCard, split: str) -> None:
        """Open the split.

        Raises:
            UsageError: it cannot be loaded, or is not what the card says.
        """
        card.check_split(split)
        self._split = split
        self._image, self._label = card.columns["image"], card.columns["label"]
        self._rows = open_hub(card, split)
        self._names = self._rows.names(self._label)
        self.revision = self._rows.revision
        card.check_count(split, len(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int, /) -> Sample:
        row = self._rows[index]
        name = f"{self._split}/{index}"
        return Sample(id=name, inputs={"image": row[self._image]}, target=self._target(row[self._label], name))

    def _target(self, value: Any, name: str) -> str:
        if self._names is None and isinstance(value, str):
            return value
        if self._names is not None and isinstance(value, int) and 0 <= value < len(self._names):
            return self._names[value]
        raise UsageError(f"{name}: column {self._label!r} holds {value!r:.80}, which is no label (a hidden one?)")
