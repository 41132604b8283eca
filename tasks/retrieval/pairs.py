"""Image-text items as pairs that belong together: what a model learns from."""

from mmbench.errors import UsageError
from mmbench.sample import Dataset, Modality, Sample


class ImageTextPairs:
    """The texts among `items`, each with its own image; an image of five texts is in five pairs.

    A pair takes id and group from its text, and has the image's id as target. An item whose counterpart is not among
    `items` is in no pair.
    """

    def __init__(self, items: Dataset) -> None:
        """Find the image of each text; no image is opened.

        Raises:
            UsageError: no text has its image among the items.
        """
        self._items = items
        images: dict[str, int] = {}
        texts: list[tuple[str, int]] = []
        for position in range(len(items)):
            item = items[position]
            if Modality.IMAGE in item.inputs:
                images[item.target] = position
            else:
                texts.append((item.target, position))
        self._pairs = [(images[image], text) for image, text in texts if image in images]
        if not self._pairs:
            raise UsageError(f"none of {len(texts)} texts belongs to one of {len(images)} images, so there is no pair")

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int, /) -> Sample:
        image, text = (self._items[position] for position in self._pairs[index])
        return Sample(text.id, {**image.inputs, **text.inputs}, target=text.target, group=text.group)
