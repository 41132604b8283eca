"""Pictures of scikit-learn's handwritten digits: moved about, and clear, noisy or covered."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..image_classification.digits import GREYS, TEST

SIZE = 32
"""Pixels of a side."""

CONDITIONS = ("clear", "noisy", "covered")
"""As it is; with Gaussian noise; with a grey square over half of the digit's field."""

NOISE = 0.8
"""Standard deviation of the noise, where black is 0 and white 1; values beyond are clipped."""

COVER = 20
"""Pixels of a side of the square."""

_DIGIT = 28  # pixels of a side, enlarged from 8


def digit_numbers(split: str) -> dict[int, list[int]]:
    """Numbers of scikit-learn's images by digit: of the last 500 for `test`, of the 1,297 before for any other split.

    The data set `digits` is split at the same place.
    """
    labels = _digits().target.tolist()
    start = len(labels) - TEST
    numbers = range(start, len(labels)) if split == "test" else range(start)
    return {digit: [number for number in numbers if labels[number] == digit] for digit in range(10)}


def digit_pixels() -> NDArray[np.float64]:
    """All images, [1797, 8, 8], 0 (black) to 1."""
    pixels: NDArray[np.float64] = _digits().images / GREYS
    return pixels


def _digits() -> Any:
    from sklearn.datasets import load_digits  # noqa: PLC0415  # takes more than a second to import

    return load_digits()


def picture(pixels: NDArray[np.float64], condition: str, rng: np.random.RandomState) -> Image.Image:
    """An image [8, 8], 0 to 1, enlarged, at a random place of `SIZE` x `SIZE` grey pixels, in one condition."""
    small = Image.fromarray(np.round(pixels * 255).astype(np.uint8))
    left, top = rng.randint(SIZE - _DIGIT + 1, size=2)
    canvas = np.zeros((SIZE, SIZE))
    large = small.resize((_DIGIT, _DIGIT), Image.Resampling.BICUBIC)
    canvas[top : top + _DIGIT, left : left + _DIGIT] = np.asarray(large) / 255
    if condition == "noisy":
        canvas += rng.normal(0.0, NOISE, canvas.shape)
    elif condition == "covered":
        x, y = left + rng.randint(_DIGIT - COVER + 1), top + rng.randint(_DIGIT - COVER + 1)
        canvas[y : y + COVER, x : x + COVER] = 0.5
    return Image.fromarray(np.round(canvas.clip(0, 1) * 255).astype(np.uint8))
