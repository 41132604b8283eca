"""The scenes of Sort-of-CLEVR: where the objects are, and what they look like."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..lot import Lot

SIZE = 75
"""Height and width of an image in pixels, as in the paper."""

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "orange": (255, 156, 0),
    "gray": (128, 128, 128),
    "yellow": (255, 255, 0),
}
"""The six colours, each that of one object of every scene, as RGB."""

SHAPES = ("square", "circle")

_REACH = 5  # pixels from an object's centre to its edge
_MIDDLE = SIZE // 2
_STEPS = np.arange(-_REACH, _REACH + 1)
_MASKS = {
    "square": np.ones((len(_STEPS), len(_STEPS)), dtype=bool),
    "circle": _STEPS[:, None] ** 2 + _STEPS[None, :] ** 2 <= (_REACH + 0.3) ** 2,
}


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of a scene; `x` and `y` are the pixel at its centre, from the upper left corner."""

    colour: str
    shape: str
    x: int
    y: int


def make_scene(lot: Lot) -> list[Thing]:
    """Six objects, one of each colour, square or circle with equal chance.

    They lie wholly inside the image, never overlap, and no centre is in the middle row or column, where left or right
    would not be defined.
    """
    things: list[Thing] = []
    while len(things) < len(COLOURS):
        x, y = (_REACH + lot.below(SIZE - 2 * _REACH) for _ in range(2))
        # Bounding boxes of 2 * REACH + 1 pixels overlap unless one of the two distances is greater than 2 * REACH.
        apart = all(max(abs(x - other.x), abs(y - other.y)) > 2 * _REACH for other in things)
        if apart and _MIDDLE not in (x, y):
            things.append(Thing(list(COLOURS)[len(things)], lot.one(SHAPES), x, y))
    return things


def draw(things: Sequence[Thing]) -> NDArray[np.uint8]:
    """The objects on white, uint8 [SIZE, SIZE, 3]; pixel by pixel, so that no library's way of drawing matters."""
    pixels = np.full((SIZE, SIZE, 3), 255, dtype=np.uint8)
    for thing in things:
        rows = slice(thing.y - _REACH, thing.y + _REACH + 1)
        columns = slice(thing.x - _REACH, thing.x + _REACH + 1)
        pixels[rows, columns][_MASKS[thing.shape]] = COLOURS[thing.colour]
    return pixels
