"""An image-text set as items that find each other: first its images, then its texts."""

import numpy as np

from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError
from mmbench.sample import Dataset, Modality, Sample, head


class ImageTextItems:
    """The items of one split, each with one modality: n images, then their texts, image by image.

    An image and a text are relevant to each other if and only if they have the same target, the image's id; equal
    texts of two images are two items. `text/ID/K` is the text K of image ID, from 0.
    """

    def __init__(self, card: DatasetCard, split: str, captions: Dataset) -> None:
        """Count the texts of every image of `captions`, whose samples are images with a list of texts as target.

        Raises:
            UsageError: there is no text at all.
        """
        self._card, self._split = card, split
        counts = [len(captions[index].target or ()) for index in range(len(captions))]
        self._captions = captions
        self._ends = np.cumsum(counts, dtype=np.int64)
        """Texts of the images up to and with each, [n]."""
        if not sum(counts):
            raise UsageError(f"{card.name} {split}: no captions, which retrieval needs")
        self.revision: str | None = getattr(captions, "revision", None)
        self.splits: tuple[str, ...] = getattr(captions, "splits", ())

    def head(self, count: int) -> "ImageTextItems":
        """The first `count` images with all of their texts: `--limit` counts images, whose texts would be cut off."""
        return ImageTextItems(self._card, self._split, head(self._captions, count))

    def __len__(self) -> int:
        return len(self._captions) + int(self._ends[-1])

    def __getitem__(self, index: int, /) -> Sample:
        images = len(self._captions)
        if not 0 <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        if index < images:
            image = self._captions[index]
            return _item(image, f"image/{image.id}", Modality.IMAGE, image.inputs[Modality.IMAGE])
        text = index - images
        owner = int(np.searchsorted(self._ends, text, side="right"))
        image = self._captions[owner]
        number = text - int(self._ends[owner]) + len(image.target)
        return _item(image, f"text/{image.id}/{number}", Modality.TEXT, image.target[number])


def _item(image: Sample, name: str, modality: Modality, value: object) -> Sample:
    return Sample(
        id=name,
        inputs={modality.value: value},
        target=image.id,
        group=image.id,
        meta={**image.meta, "modality": modality.value},
    )
