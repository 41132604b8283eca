"""Image classifiers that were exported elsewhere: pixels in, logits out, the rest is said by options."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmbench.adapters.onnx.session import Session, releasing
from mmbench.data.decode import load_image
from mmbench.errors import UsageError, first_line
from mmbench.model import Batch
from mmbench.sample import Sample

EXPECTED = (
    "expected one of `mmbench export`, or an image classifier with one input [N, 3, H, W] of floats and one output "
    "[N, C] of logits"
)
"""What files can be asked."""

_FLOATS = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16}


@dataclass(frozen=True, slots=True)
class Pixels:
    """How an image becomes numbers: RGB from 0 to 1, then (x - mean) / std.

    Attributes:
        height, width: that images are resized to, by bicubic interpolation.
        crop: share of the shorter side that the middle square has which is taken; `None` takes the whole image.
        mean, std: of each channel.
    """

    height: int
    width: int
    crop: float | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def of(self, image: object) -> NDArray[np.float32]:
        """Pixels [3, height, width] of what a sample has.

        Raises:
            DecodeError: it cannot be decoded.
        """
        loaded = load_image(image)  # type: ignore[arg-type]  # it refuses what is no image
        box = None
        if self.crop is not None:
            side = self.crop * min(loaded.size)
            left, top = ((length - side) / 2 for length in loaded.size)
            box = (left, top, left + side, top + side)
        resized = np.asarray(loaded.resize((self.width, self.height), box=box), dtype=np.float32) / np.float32(255)
        mean, std = (np.array(each, dtype=np.float32) for each in (self.mean, self.std))
        scaled: NDArray[np.float32] = (resized - mean) / std
        return scaled.transpose(2, 0, 1)


class ImageClassifier:
    """An image classifier from elsewhere."""

    modalities: tuple[str, ...] = ("image",)

    def __init__(self, name: str, labels: tuple[str, ...], session: Session, pixels: Pixels) -> None:
        """Args:
            name: what records call it.
            labels: in the order of its logits.
            session: the graph.
            pixels: what it reads.

        Raises:
            UsageError: the graph fails, or gives another number of logits.
        """
        self.name = name
        self.labels = labels
        self.pixels = pixels
        self._session = session
        ((self._input, (kind, shape)),) = session.inputs.items()
        self._dtype = _FLOATS[kind]
        self._alone = shape[0] == 1
        try:
            logits = self._logits(torch.zeros(1, 3, pixels.height, pixels.width))
        except Exception as error:  # whatever the graph does
            raise UsageError(
                f"{name} fails on an image of {pixels.width} x {pixels.height}: {first_line(error)}"
            ) from error
        if logits.shape != (1, len(labels)):
            raise UsageError(
                f"{name} gives {[*logits.shape]} for one image; expected [1, {len(labels)}], a logit for each class of "
                "the data set, in the order of its card or sorted"
            )

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Pixels float32 [B, 3, H, W]; zeros and a false mask [B] where an image is missing."""
        images = [sample.inputs.get("image") for sample in samples]
        inputs = np.zeros((len(samples), 3, self.pixels.height, self.pixels.width), dtype=np.float32)
        for row, image in enumerate(images):
            if image is not None:
                inputs[row] = self.pixels.of(image)
        mask = torch.tensor([image is not None for image in images])
        return Batch(len(samples), {"image": torch.from_numpy(inputs)}, {"image": mask})

    def classify(self, batch: Batch) -> Tensor:
        """Logits [B, C]."""
        return self._logits(batch.inputs["image"])

    def releasing(self) -> AbstractContextManager[None]:
        """A context in which onnxruntime gives memory back after each run."""
        return releasing([self._session])

    def _logits(self, pixels: Tensor) -> Tensor:
        # Many files are fixed to one image at a time, as exporters do unless they are told.
        inputs = pixels.to(self._dtype)
        parts = inputs.unsqueeze(1) if self._alone else [inputs]
        return torch.cat([self._session.run({self._input: part}) for part in parts])


def input_size(session: Session, size: int | None, name: str) -> tuple[int, int]:
    """Height and width that a classifier reads.

    Raises:
        UsageError: its graph is another one, fixes the batch, or leaves the size open and none is given.
    """
    found = ", ".join(f"{each} {kind} {shape}" for each, (kind, shape) in session.inputs.items())
    kind, shape = next(iter(session.inputs.values()), ("", []))
    known = len(session.inputs) == 1 and kind in _FLOATS and len(shape) == 4 and shape[1] in (3, None)
    if not known or len(session.shape) != 2:
        raise UsageError(f"{name} has input {found} and output {session.shape}; {EXPECTED}")
    if isinstance(shape[0], int) and shape[0] != 1:
        raise UsageError(f"{name} takes {shape[0]} images at a time, no other number; export it with a dynamic batch")
    height, width = (size if not isinstance(length, int) else length for length in shape[2:])
    if height is None or width is None:
        raise UsageError(f"{name} takes images of any size; say which: --option size=N")
    if size is not None and (height, width) != (size, size):
        raise UsageError(f"{name} takes images of {width} x {height} pixels; leave out size={size}")
    return height, width
