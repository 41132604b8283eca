"""Noises of texts: words changed one by one, where a word is a run of letters and digits; all else stays in its place.

A text without spaces between words, as Chinese has it, is one word.
"""

import re
from string import ascii_lowercase, digits

import numpy as np
from numpy.random import Generator

_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def swap_words(text: str, level: float, random: Generator) -> str:
    """Pairs of neighbours change places, each with probability `level`; no word is in two pairs.

    Where the number of words is odd, the first or the last has no partner.
    """
    words, gaps = _split(text)
    first = int(random.integers(2)) * (len(words) % 2)
    chances = random.uniform(size=len(words) // 2)
    for number in np.flatnonzero(chances < level).tolist():
        one = first + 2 * number
        words[one], words[one + 1] = words[one + 1], words[one]
    return _joined(words, gaps)


def mistype(text: str, level: float, random: Generator) -> str:
    """One letter or digit of a word becomes another of a to z or 0 to 9, in each word with probability `level`."""
    words, gaps = _split(text)
    chances, places, others = random.uniform(size=(3, len(words)))
    for number in np.flatnonzero(chances < level).tolist():
        words[number] = _mistyped(words[number], float(places[number]), float(others[number]))
    return _joined(words, gaps)


def drop_words(text: str, level: float, random: Generator) -> str:
    """Each word is left out with probability `level`, with the space before it; marks stay."""
    words, gaps = _split(text)
    kept = (random.uniform(size=len(words)) >= level).tolist()
    found = gaps[0]
    for word, gap, keep in zip(words, gaps[1:], kept, strict=True):
        found = f"{found}{word}{gap}" if keep else found.rstrip() + gap
    return found if all(kept[:1]) else found.lstrip()


def _mistyped(word: str, place: float, other: float) -> str:
    """`place` and `other`, from 0 to below 1, choose the letter that goes and the one that comes."""
    places = [position for position, character in enumerate(word) if character.isalnum()]
    if not places:  # a word of underscores
        return word
    position = places[int(place * len(places))]
    old = word[position]
    choice = [character for character in (digits if old.isdigit() else ascii_lowercase) if character != old.lower()]
    new = choice[int(other * len(choice))]
    return word[:position] + (new.upper() if old.isupper() else new) + word[position + 1 :]


def _split(text: str) -> tuple[list[str], list[str]]:
    """The n words, and the n + 1 stretches around them."""
    return _WORD.findall(text), _WORD.split(text)


def _joined(words: list[str], gaps: list[str]) -> str:
    return gaps[0] + "".join(word + gap for word, gap in zip(words, gaps[1:], strict=True))
