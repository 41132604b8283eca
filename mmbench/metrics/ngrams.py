"""Counts of n-grams in many captions at once, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NGrams:
    """The n-grams of one order in C captions: E entries, one for each n-gram that occurs in a caption.

    Attributes:
        caption: number of the caption, [E], ascending.
        gram: number of the n-gram, [E], ascending within a caption.
        count: how often it occurs there, [E].
        different: how many different n-grams there are.
    """

    caption: IntArray
    gram: IntArray
    count: IntArray
    different: int

    def of(self, captions: slice) -> "NGrams":
        """The entries of some neighbouring captions, numbered from 0."""
        start, stop = np.searchsorted(self.caption, [captions.start, captions.stop])
        return NGrams(
            self.caption[start:stop] - captions.start, self.gram[start:stop], self.count[start:stop], self.different
        )


def count_ngrams(captions: Sequence[str], longest: int = 4) -> list[NGrams]:
    """N-grams of order 1 to `longest` in captions, whose tokens are what white space separates."""
    words = [caption.split() for caption in captions]
    length = np.fromiter(map(len, words), np.int64, count=len(words))
    numbers: dict[str, int] = {}
    word = np.fromiter(
        (numbers.setdefault(token, len(numbers)) for tokens in words for token in tokens), np.int64, count=length.sum()
    )
    caption = np.repeat(np.arange(len(words)), length)
    left = length.cumsum()[caption] - np.arange(len(word))  # tokens from here to the end of the caption
    gram, different, found = word, len(numbers), []
    for order in range(1, longest + 1):
        if order > 1:  # the n-grams of the order before, each with the token that follows
            begins = np.flatnonzero(left >= order)
            pairs = gram[begins] * len(numbers) + word[begins + order - 1]
            known, codes = np.unique(pairs, return_inverse=True)
            gram = np.zeros_like(word)
            gram[begins], different = codes, len(known)
        else:
            begins = np.arange(len(word))
        keys, count = np.unique(caption[begins] * different + gram[begins], return_counts=True)
        found.append(NGrams(*np.divmod(keys, max(different, 1)), count, different))
    return found
