"""A scene of coloured shapes, and how one is drawn by lot."""

from dataclasses import dataclass

from ..lot import Lot

WIDTH = 96
"""Pixels of a side."""

SHAPES = ("circle", "square", "triangle", "star", "cross")
COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "brown")
BACKGROUNDS = ("white", "grey", "black")

_NUMBERS = (2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4)  # as often as a scene has so many objects
_RADII = {"small": (6, 7), "large": (13, 14)}
_TRIES = 50


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: its centre in pixels from the upper left corner, and its radius."""

    size: str
    colour: str
    shape: str
    x: int
    y: int
    radius: int


@dataclass(frozen=True, slots=True)
class Scene:
    """Two to four objects that do not touch; no two share both colour and shape."""

    background: str
    things: tuple[Thing, ...]

    @property
    def content(self) -> tuple[str, ...]:
        """What is there, wherever it is: the same for scenes that differ only in positions."""
        return (self.background, *sorted(f"{thing.size} {thing.colour} {thing.shape}" for thing in self.things))


def draw_scene(lot: Lot) -> Scene:
    """A scene; colours and shapes come from a choice of few to all of them, so that objects often share one."""
    while True:
        number = lot.one(_NUMBERS)
        colours = lot.some(COLOURS, lot.one((2, 4, len(COLOURS))))
        shapes = lot.some(SHAPES, lot.one((2, 3, len(SHAPES))))
        kinds = lot.some([(colour, shape) for colour in colours for shape in shapes], number)
        things: list[Thing] = []
        for colour, shape in kinds:
            size = lot.one(tuple(_RADII))
            radius = lot.one(_RADII[size])
            for _ in range(_TRIES):
                x, y = (radius + 3 + lot.below(WIDTH - 2 * radius - 6) for _ in range(2))
                thing = Thing(size, colour, shape, x, y, radius)
                if all(_apart(thing, other) for other in things):
                    things.append(thing)
                    break
        if len(things) == number:
            return Scene(lot.one(BACKGROUNDS), tuple(things))


def _apart(one: Thing, other: Thing) -> bool:
    """At least 1.2 times the sum of their radii and 2 pixels, which no corner reaches; in whole numbers."""
    return 25 * ((one.x - other.x) ** 2 + (one.y - other.y) ** 2) >= (6 * (one.radius + other.radius) + 10) ** 2
