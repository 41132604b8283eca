"""Scenes to pixels."""

from math import cos, pi, sin

from PIL import Image, ImageDraw

from .scene import WIDTH, Scene, Thing

PALETTE = {
    "red": (214, 32, 32),
    "green": (40, 160, 50),
    "blue": (40, 80, 230),
    "yellow": (240, 210, 20),
    "orange": (250, 130, 10),
    "purple": (135, 50, 175),
    "pink": (250, 140, 190),
    "brown": (130, 80, 40),
    "white": (245, 245, 245),
    "grey": (175, 175, 175),
    "black": (15, 15, 15),
}

_SCALE = 4  # drawn so many times as large and averaged down, which smooths the edges
_ARM = 0.36  # half the width of a cross's arms, in radii


def _corners(number: int, radius: float, inner: float | None = None) -> list[tuple[float, float]]:
    """Corners on a circle, the first at the top; `inner` ones between them make a star."""
    radii = [radius] if inner is None else [radius, inner]
    steps = number * len(radii)
    angles = [2 * pi * step / steps - pi / 2 for step in range(steps)]
    return [
        (radii[step % len(radii)] * cos(angle), radii[step % len(radii)] * sin(angle))
        for step, angle in enumerate(angles)
    ]


_OUTLINES = {
    "square": [(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)],
    "triangle": _corners(3, 1.18),
    "star": _corners(5, 1.18, 0.5),
    "cross": [
        *((-_ARM, -1.0), (_ARM, -1.0), (_ARM, -_ARM), (1.0, -_ARM), (1.0, _ARM), (_ARM, _ARM)),
        *((_ARM, 1.0), (-_ARM, 1.0), (-_ARM, _ARM), (-1.0, _ARM), (-1.0, -_ARM), (-_ARM, -_ARM)),
    ],
}


def draw(scene: Scene) -> Image.Image:
    """The scene as RGB, 96 x 96, edges antialiased."""
    image = Image.new("RGB", (WIDTH * _SCALE, WIDTH * _SCALE), PALETTE[scene.background])
    canvas = ImageDraw.Draw(image)
    for thing in scene.things:
        _draw_thing(canvas, thing)
    return image.reduce(_SCALE)


def _draw_thing(canvas: ImageDraw.ImageDraw, thing: Thing) -> None:
    x, y, radius = ((value + half) * _SCALE for value, half in ((thing.x, 0.5), (thing.y, 0.5), (thing.radius, 0.0)))
    if thing.shape == "circle":
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=PALETTE[thing.colour])
    else:
        outline = [(x + radius * right, y + radius * down) for right, down in _OUTLINES[thing.shape]]
        canvas.polygon(outline, fill=PALETTE[thing.colour])
