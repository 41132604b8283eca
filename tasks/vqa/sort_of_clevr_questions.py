"""The questions of Sort-of-CLEVR and their answers, computed from the scene in whole numbers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ..lot import Lot
from .sort_of_clevr_scene import SIZE, Thing

TYPES: Mapping[str, tuple[str, ...]] = {
    "non-relational": ("shape", "left", "top"),
    "relational": ("closest", "furthest", "same-shape"),
    "ternary": ("between", "line", "obtuse"),
}
"""Kinds of question of each type. The paper has the first two types; ternary came with later implementations."""

BAND = 12
"""Pixels above or below a line within which a centre is near it."""

_TEXTS = {
    "shape": "What is the shape of the {a} object?",
    "left": "Is the {a} object on the left?",
    "top": "Is the {a} object at the top?",
    "closest": "What is the shape of the object closest to the {a} object?",
    "furthest": "What is the shape of the object furthest from the {a} object?",
    "same-shape": "How many objects have the shape of the {a} object?",
    "between": "How many objects are between the {a} and the {b} object?",
    "line": "Is there an object near the line through the {a} and the {b} object?",
    "obtuse": "How many objects form an obtuse triangle with the {a} and the {b} object?",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a scene."""

    type: str
    kind: str
    text: str
    answer: str


def ask(things: Sequence[Thing], each: int, lot: Lot) -> list[Asked]:
    """`each` different questions of every type about a scene, all that have an answer being equally likely."""
    return [asked for kind in TYPES for asked in lot.some(list(_possible(things, kind)), each)]


def _possible(things: Sequence[Thing], type_: str) -> Iterator[Asked]:
    arity = 2 if type_ == "ternary" else 1
    for kind in TYPES[type_]:
        for about in combinations(things, arity):
            others = [thing for thing in things if thing not in about]
            answer = _answer(kind, about, others)
            if answer is not None:
                text = _TEXTS[kind].format(**dict(zip("ab", (thing.colour for thing in about), strict=False)))
                yield Asked(type_, kind, text, answer)


def _answer(kind: str, about: Sequence[Thing], others: Sequence[Thing]) -> str | None:
    """The answer, `None` where the scene does not decide it."""
    thing, second = about[0], about[-1]
    match kind:
        case "shape":
            return thing.shape
        case "left":
            return _yes(2 * thing.x < SIZE - 1)
        case "top":
            return _yes(2 * thing.y < SIZE - 1)
        case "closest" | "furthest":
            return _shape_at(min if kind == "closest" else max, thing, others)
        case "same-shape":
            return str(1 + sum(other.shape == thing.shape for other in others))
        case "between":
            return str(sum(_between(thing, second, other) for other in others))
        case "line":
            return _yes(any(_near_line(thing, second, other) for other in others))
        case _:
            return str(sum(_obtuse(thing, second, other) for other in others))


def _yes(true: bool) -> str:
    return "yes" if true else "no"


def _shape_at(pick: Callable[[Iterable[int]], int], thing: Thing, others: Sequence[Thing]) -> str | None:
    """The shape of the others at the least or greatest distance; `None` where two of them differ in it."""
    distance = pick(_squared(thing, other) for other in others)
    shapes = {other.shape for other in others if _squared(thing, other) == distance}
    return shapes.pop() if len(shapes) == 1 else None


def _squared(a: Thing, b: Thing) -> int:
    return (a.x - b.x) ** 2 + (a.y - b.y) ** 2


def _between(a: Thing, b: Thing, c: Thing) -> bool:
    """Whether the centre of `c` is in the upright box with the centres of `a` and `b` at two corners."""
    return min(a.x, b.x) <= c.x <= max(a.x, b.x) and min(a.y, b.y) <= c.y <= max(a.y, b.y)


def _near_line(a: Thing, b: Thing, c: Thing) -> bool:
    """Whether the centre of `c` is at most `BAND` pixels above or below the line; on it, where that is upright."""
    across = b.x - a.x
    return abs((c.y - a.y) * across - (b.y - a.y) * (c.x - a.x)) <= BAND * abs(across)


def _obtuse(a: Thing, b: Thing, c: Thing) -> bool:
    """Whether the triangle of the centres has an angle of more than 90 degrees: law of cosines on its longest side."""
    short, middle, long = sorted((_squared(a, b), _squared(b, c), _squared(a, c)))
    return short + middle < long
