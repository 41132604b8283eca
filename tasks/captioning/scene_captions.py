"""A small grammar: five true captions of a scene, each of another kind."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from ..lot import Lot
from .scene import WIDTH, Scene, Thing
from .scene_words import NUMBERS, Caption, Claim, Words, join, kind, relate, sizeless

NUMBER = 5
"""Captions of a scene."""

_GAP = 6  # pixels by which centres must differ before a caption speaks of their order
_DIRECTIONS: dict[str, Callable[[Thing], int]] = {
    "left to right": lambda thing: thing.x,
    "right to left": lambda thing: -thing.x,
    "top to bottom": lambda thing: thing.y,
    "bottom to top": lambda thing: -thing.y,
}
_DEGREES = {"large": ("larger", "largest"), "small": ("smaller", "smallest")}
_EXTREMES = {"left": "leftmost", "right": "rightmost", "top": "highest", "bottom": "lowest"}


def describe(scene: Scene, lot: Lot) -> list[Caption] | None:
    """Five captions of different kinds, or `None` where the scene allows fewer kinds."""
    captions = [write(Words(scene, lot)) for write in lot.shuffled(_KINDS)]
    found = [caption for caption in captions if caption is not None][:NUMBER]
    return found if len(found) == NUMBER else None


def _objects(words: Words) -> Caption:
    """All objects, with the background."""
    listed = join([words.a(thing) for thing in words.things])
    text = words.sentence(
        f"{listed} {words.background}",
        f"the {words.picture} shows {listed} {words.background}",
        f"{words.background} one can see {listed}",
    )
    return Caption(text, [words.on_background, {"some": [kind(thing) for thing in words.things]}])


def _relation(words: Words) -> Caption:
    """Where one object is to two others; to the other one and with the background where there are two."""
    one, second, *more = words.things
    to_second, claim = relate(one, second)
    if not more:
        text = words.sentence(
            f"{words.a(one)} is {to_second} {words.a(second)} {words.background}",
            f"{words.background}, {words.a(one)} is {to_second} {words.a(second)}",
            f"{to_second} {words.a(second)} there is {words.a(one)} {words.background}",
        )
        return Caption(text, [words.on_background, claim])
    third = more[0]
    if words.lot.below(3) == 0:
        to_third, chained = relate(second, third)
        text = words.sentence(f"{words.a(one)} is {to_second} {words.a(second)}, which is {to_third} {words.a(third)}")
        return Caption(text, [claim, chained])
    to_third, apart = relate(one, third)
    again = "" if to_third == to_second else f"{to_third} "
    text = words.sentence(
        f"{words.the(one)} is {to_second} {words.the(second)} and {again}{words.the(third)}",
        f"{to_second} {words.a(second)} and {again}{words.a(third)} there is {words.a(one)}",
    )
    return Caption(text, [claim, apart])


def _order(words: Words) -> Caption | None:
    """All objects along one axis, or the two outermost of more than two."""
    for direction in words.lot.shuffled(tuple(_DIRECTIONS)):
        along = _DIRECTIONS[direction]
        ordered = sorted(words.things, key=along)
        gaps = [along(after) - along(before) for before, after in pairwise(ordered)]
        if min(gaps) >= _GAP and (len(ordered) == 2 or words.lot.below(2)):
            return _row(words, direction, ordered)
        if len(ordered) > 2 and min(gaps[0], gaps[-1]) >= _GAP:
            return _ends(words, direction, ordered)
    return None


def _row(words: Words, direction: str, ordered: Sequence[Thing]) -> Caption:
    listed = join([words.a(thing) for thing in ordered])
    claim: Claim = {"order": direction, "of": [kind(thing) for thing in ordered]}
    text = words.sentence(
        f"from {direction}, the {words.picture} shows {listed} {words.background}",
        f"{listed} {words.background}, from {direction}",
    )
    return Caption(text, [words.on_background, claim])


def _ends(words: Words, direction: str, ordered: Sequence[Thing]) -> Caption:
    first, last = (_EXTREMES[end] for end in direction.split(" to "))
    claims: list[Claim] = [
        {"total": len(ordered)},
        {"extreme": first, "is": kind(ordered[0])},
        {"extreme": last, "is": kind(ordered[-1])},
    ]
    one, other = words.a(ordered[0]), words.a(ordered[-1])
    text = words.sentence(
        f"of {words.nouns(len(ordered))}, the {first} is {one} and the {last} is {other}",
        f"of {words.nouns(len(ordered))}, {one} is the {first} and {other} is the {last}",
    )
    return Caption(text, claims)


def _count(words: Words) -> Caption:
    """How many there are of each shape and of each colour, with the background."""
    shapes = Counter(thing.shape for thing in words.things)
    colours = Counter(thing.colour for thing in words.things)
    shaped = join([f"{NUMBERS[n]} {_plural(shape, n)}" for shape, n in shapes.items()])
    claims: list[Claim] = [
        words.on_background,
        *({"count": n, "of": {"shape": shape}} for shape, n in shapes.items()),
        *({"count": n, "of": {"colour": colour}} for colour, n in colours.items()),
    ]
    if words.lot.below(2):
        text = words.sentence(
            f"{words.nouns(len(words.things))} {words.background}: {shaped}; {_coloured(colours, '')}"
        )
        return Caption(text, [*claims, {"total": len(words.things)}])
    coloured = _coloured(colours, f" of the {words.noun}s")
    return Caption(words.sentence(f"the {words.picture} has {shaped} {words.background}; {coloured}"), claims)


def _coloured(colours: Counter[str], whose: str) -> str:
    (first, n), *rest = colours.items()
    if not rest:
        return f"{_every(n)}{whose} are {first}"
    parts = [f"{NUMBERS[n]} {'is' if n == 1 else 'are'} {colour}" for colour, n in rest]
    return join([f"{NUMBERS[n]}{whose} {'is' if n == 1 else 'are'} {first}", *parts])


def _sizes(words: Words) -> Caption:
    """Which objects are large and which are small."""
    groups = {size: [thing for thing in words.things if thing.size == size] for size in ("large", "small")}
    claims: list[Claim] = [
        *({"count": len(group), "of": {"size": size}} for size, group in groups.items()),
        {"some": [kind(thing) for thing in words.things]},
    ]
    size = words.lot.one([size for size, group in groups.items() if group])
    group, others = groups[size], groups["small" if size == "large" else "large"]
    number = len(words.things)
    if not others:
        every = f"{_every(number)} {words.noun}s are {words.size[size]}"
        few = f"{NUMBERS[number]} {words.size[size]} {words.noun}s"
        return Caption(words.sentence(f"{every}: {sizeless(group)}", f"{few}: {sizeless(group)}"), claims)
    return Caption(words.sentence(*_compared(words, size, group, others)), claims)


def _compared(words: Words, size: str, group: Sequence[Thing], others: Sequence[Thing]) -> list[str]:
    """Sentences on objects of one size and the others, which have the other size."""
    word, other_word = words.size[size], words.size[others[0].size]
    these, those, number = sizeless(group), sizeless(others), len(group) + len(others)
    single, single_other = len(group) == 1, len(others) == 1
    few, few_others = NUMBERS[len(group)], NUMBERS[len(others)]
    head = f"the only {word} {words.noun} is {these}" if single else f"the {word} {words.noun}s are {these}"
    texts = [
        f"{head}; the {other_word} {'one is' if single_other else 'ones are'} {those}",
        f"{few} {word} {words.noun}{'' if single else 's'}, {these}, and "
        f"{few_others} {other_word} {'one' if single_other else 'ones'}, {those}",
    ]
    if single:
        comparative, superlative = _DEGREES[size]
        rest = f"the other is {those}" if single_other else f"the others are {those}"
        texts.append(f"the {comparative if number == 2 else superlative} of {words.nouns(number)} is {these}; {rest}")
    return texts


def _places(words: Words) -> Caption | None:
    """In which quarters of the picture two objects are, with the background."""
    placed: dict[str, Thing] = {}
    for thing in words.things:
        if min(abs(thing.x - WIDTH / 2), abs(thing.y - WIDTH / 2)) >= _GAP:
            row, column = "upper" if thing.y < WIDTH / 2 else "lower", "left" if thing.x < WIDTH / 2 else "right"
            placed.setdefault(f"{row} {column}", thing)
    if len(placed) < 2:
        return None
    (first, one), (second, other) = list(placed.items())[:2]
    text = words.sentence(
        f"{words.background}, {words.a(one)} is in the {first} and {words.a(other)} is in the {second}",
        f"in the {first} there is {words.a(one)} and in the {second} {words.a(other)}, {words.background}",
        f"{words.a(one)} in the {first} and {words.a(other)} in the {second}, {words.background}",
    )
    claims: list[Claim] = [{"place": first, "has": kind(one)}, {"place": second, "has": kind(other)}]
    return Caption(text, [words.on_background, *claims])


_KINDS: Sequence[Callable[[Words], Caption | None]] = (_objects, _relation, _order, _count, _sizes, _places)


def _every(number: int) -> str:
    return "both" if number == 2 else f"all {NUMBERS[number]}"


def _plural(shape: str, number: int) -> str:
    return shape if number == 1 else f"{shape}es" if shape.endswith("s") else f"{shape}s"
