"""Captioned images as what a captioner learns from: one caption at a time."""

from bisect import bisect_right
from dataclasses import replace
from itertools import accumulate

from mmbench.sample import Dataset, Sample


class CaptionPairs:
    """A sample a caption, image by image: the caption is its target, the image its group.

    `ID/K` is the caption K of the image ID, from 0.
    """

    def __init__(self, images: Dataset) -> None:
        """Count the captions of every image of `images`, whose samples have a list of them as target."""
        self._images = images
        self._ends = list(accumulate(len(images[index].target) for index in range(len(images))))
        """Captions of the images up to and with each."""

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int, /) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"caption {index} of {len(self)}")
        owner = bisect_right(self._ends, index)
        image = self._images[owner]
        number = index - self._ends[owner] + len(image.target)
        group = image.id if image.group is None else image.group
        return replace(image, id=f"{image.id}/{number}", target=image.target[number], group=group)
