"""Images that are decoded once and kept: from its second epoch on, training decodes none that fits."""

from dataclasses import replace
from pathlib import Path

from PIL.Image import Image

from mmbench.data.decode import DecodeError, load_image
from mmbench.sample import Modality, Sample

CAPACITY = 256 * 2**20
"""Bytes of pixels that are kept: 20,000 images of 64 x 64, or 1,700 of 224 x 224."""


class DecodedImages:
    """Decoded images by their files: the first that fit, since of shuffled epochs no others would be better kept."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Keep at most `capacity` bytes of pixels."""
        self._kept: dict[Path | str, Image] = {}
        self._free = capacity

    def put_into(self, sample: Sample) -> Sample:
        """The sample with its image decoded as RGB; the same one where that is no file, or cannot be decoded or kept.

        What cannot be decoded is left to whoever opens it, who knows how to tell.
        """
        file = sample.inputs.get(Modality.IMAGE)
        image = self._image(file) if isinstance(file, Path | str) else None
        return sample if image is None else replace(sample, inputs={**sample.inputs, Modality.IMAGE: image})

    def _image(self, file: Path | str) -> Image | None:
        if file in self._kept:
            return self._kept[file]
        if self._free <= 0:
            return None
        try:
            image = load_image(file)
        except DecodeError:
            return None
        size = 3 * image.width * image.height
        if size <= self._free:
            self._kept[file] = image
            self._free -= size
        return image
