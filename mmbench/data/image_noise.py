"""Noises of images: any image that a sample may hold to a new RGB image of the same size.

Values are computed as floats of full range 255, cut off at 0 and 255 and rounded, so that none wraps.
"""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mmbench.data.decode import load_image

_GREY = 128
_BLUR = 0.25  # of the shorter side: little more than the mean colours of its parts is left
_DIMMEST = 0.5  # of a channel under coloured light
_PLACES = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))  # of three channels, but for their own


def gaussian(value: Any, level: float, random: Generator) -> Image.Image:
    """Values become x + 255 * level * z, with z from N(0, 1) for each pixel and channel.

    A model that scales large images down averages much of it away.
    """
    pixels = _pixels(value)
    field = random.standard_normal(pixels.shape, dtype=np.float32)
    return _image(pixels + np.float32(255 * level) * field)


def blur(value: Any, level: float, random: Generator) -> Image.Image:
    """A Gaussian of deviation level * min(width, height) / 4 pixels, as Pillow approximates it; edges go on."""
    image = load_image(value)
    return image.filter(ImageFilter.GaussianBlur(level * _BLUR * min(image.size)))


def occlude(value: Any, level: float, random: Generator) -> Image.Image:
    """A grey rectangle of the image's shape over the share `level` of its area, to whole pixels.

    Its place is drawn from all where it is wholly within the image; a larger one covers the smaller.
    """
    image = load_image(value).copy()
    share = np.sqrt(level)
    start = random.uniform(size=2) * (1 - share)
    left, top = (np.rint(start * image.size)).astype(int).tolist()
    right, bottom = (np.rint((start + share) * image.size)).astype(int).tolist()
    image.paste((_GREY,) * 3, (left, top, right, bottom))
    return image


def recolour(value: Any, level: float, random: Generator) -> Image.Image:
    """Values become (1 - level) * x + level * g * P x, with P and g drawn for the image.

    P lets the three channels change places, in one of the five other orders: hues become others. g is a light of
    another colour, a factor from 0.5 to 1 for each channel, so that grey is coloured, too; black stays black.
    """
    pixels = _pixels(value)
    places = list(_PLACES[int(random.integers(len(_PLACES)))])
    light = random.uniform(_DIMMEST, 1.0, size=3).astype(np.float32)
    return _image(pixels + np.float32(level) * (light * pixels[..., places] - pixels))


def _pixels(value: Any) -> NDArray[np.float32]:
    """[H, W, 3], 0 to 255."""
    return np.asarray(load_image(value), dtype=np.float32)


def _image(pixels: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(pixels, 0, 255)).astype(np.uint8), "RGB")
