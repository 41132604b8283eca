"""Images that lie in arrays of pixels, as small data sets are distributed."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmbench.sample import Sample


class PixelImages:
    """One split: the images of one or several arrays, and a target each; a PIL image is made when a sample is read."""

    def __init__(self, split: str, parts: Sequence[NDArray[np.uint8]], targets: Sequence[str]) -> None:
        """Args:
        split: what the samples' names begin with.
        parts: images [n, H, W] (grey) or [n, H, W, 3] (RGB), one array a file; mapped files stay on disk.
        targets: of the images of all parts, in order.
        """
        self._split = split
        self._parts = parts
        self._ends = list(accumulate(len(part) for part in parts))
        self._targets = targets

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, index: int, /) -> Sample:
        part = int(np.searchsorted(self._ends, index, side="right"))
        pixels = self._parts[part][index - self._ends[part]]
        return Sample(
            id=f"{self._split}/{index}",
            inputs={"image": Image.fromarray(np.ascontiguousarray(pixels))},
            target=self._targets[index],
        )
