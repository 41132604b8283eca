"""Words for scenes, and what sentences about them claim.

A claim is plain JSON, and a caption claims all of its own. KIND names some of the `size`, `colour` and `shape` of an
object; where objects are is where their centres are:

    {"background": NAME}
    {"total": N}                                there are N objects
    {"count": N, "of": KIND}                    N objects, no more and no fewer, are of the kind
    {"some": [KIND, ...]}                       there is an object of each kind, a different one for each
    {"relation": NAME, "one": KIND, "other": KIND}   NAME: left of, right of, above, below
    {"order": NAME, "of": [KIND, ...]}          NAME: left to right, right to left, top to bottom, bottom to top
    {"extreme": NAME, "is": KIND}               NAME: leftmost, rightmost, highest, lowest
    {"place": NAME, "has": KIND}                a centre in that quarter; NAME: upper left, upper right, ...
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..lot import Lot
from .scene import Scene, Thing

Claim = dict[str, Any]

NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four"}

_SIZE_WORDS = (("small", "large"), ("small", "large"), ("small", "big"), ("little", "big"))
_RELATIONS = {"left of": "to the left of", "right of": "to the right of", "above": "above", "below": "below"}


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence and its claims, all of which are true of its scene."""

    text: str
    claims: list[Claim]


class Words:
    """A scene and the words for it; of synonyms a caption uses one, so that it agrees with itself.

    Attributes:
        things: the objects, in an order drawn by lot.
        size: the word for each size.
        noun, picture, background: the words for an object, for the picture, and the phrase for the background.
        on_background: what that phrase claims.
    """

    def __init__(self, scene: Scene, lot: Lot) -> None:
        self.lot = lot
        self.things = lot.shuffled(scene.things)
        self.size = dict(zip(("small", "large"), lot.one(_SIZE_WORDS), strict=True))
        self.noun = lot.one(("shape", "object"))
        self.picture = lot.one(("picture", "image"))
        self.background = f"{lot.one(('on', 'against'))} a {scene.background} background"
        self.on_background: Claim = {"background": scene.background}

    def a(self, thing: Thing) -> str:
        """The object with its size, for the first time."""
        return f"a {self.size[thing.size]} {thing.colour} {thing.shape}"

    def the(self, thing: Thing) -> str:
        """The object with its size, which is the only one of its kind."""
        return f"the {self.size[thing.size]} {thing.colour} {thing.shape}"

    def nouns(self, number: int) -> str:
        """So many objects: "one shape", "three shapes"."""
        return f"{NUMBERS[number]} {self.noun}{'' if number == 1 else 's'}"

    def sentence(self, *texts: str) -> str:
        """One of the texts as a sentence."""
        text = self.lot.one(texts)
        return f"{text[0].upper()}{text[1:]}."


def kind(thing: Thing) -> dict[str, str]:
    """All that claims can say of an object itself."""
    return {"size": thing.size, "colour": thing.colour, "shape": thing.shape}


def relate(one: Thing, other: Thing) -> tuple[str, Claim]:
    """Words and claim for where `one` is to `other`, by the axis along which they are further apart."""
    right, down = other.x - one.x, other.y - one.y
    names, ahead = (("right of", "left of"), right) if abs(right) >= abs(down) else (("below", "above"), down)
    name = names[ahead > 0]
    return _RELATIONS[name], {"relation": name, "one": kind(one), "other": kind(other)}


def sizeless(things: Sequence[Thing]) -> str:
    """The objects without their sizes, which the sentence tells otherwise."""
    return join([f"{'an' if thing.colour[0] in 'aeiou' else 'a'} {thing.colour} {thing.shape}" for thing in things])


def join(parts: Sequence[str]) -> str:
    """A list in words: "x, y and z"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
