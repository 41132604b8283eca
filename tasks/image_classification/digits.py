"""Reader of the handwritten digits that come with scikit-learn."""

import numpy as np

from mmbench.data.annotations import shown
from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError

from .image_folder import folder_of
from .pixel_images import PixelImages

TEST = 500
"""How many images at the end are the split `test`."""

GREYS = 16
"""The greatest value of a pixel."""


def open_digits(card: DatasetCard, split: str) -> PixelImages:
    """The last 500 images as `test`, those before as `train`; 8 x 8 pixels, white on black.

    The images of one writer stand together, so a split by position keeps apart most hands, which a random one mixes.

    Raises:
        UsageError: no such split, or the file is not as scikit-learn ships it.
    """
    card.check_split(split)
    path = folder_of(card) / "digits.csv.gz"
    try:
        rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(f"{shown(path)}: cannot be read: {' '.join(str(error).split())}") from error
    if rows.ndim != 2 or rows.shape[1] != 65 or rows[:, :-1].max() > GREYS or rows[:, -1].max() > 9:
        raise UsageError(f"{shown(path)}: expected lines of 64 pixels from 0 to {GREYS} and a digit")
    rows = rows[:-TEST] if split == "train" else rows[-TEST:]
    card.check_count(split, len(rows))
    pixels = np.round(rows[:, :-1] * (255 / GREYS)).astype(np.uint8).reshape(-1, 8, 8)
    return PixelImages(split, [pixels], [str(digit) for digit in rows[:, -1]])
