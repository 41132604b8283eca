"""Which word follows which: a bigram model counted over transcripts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Any, Self

MOST = 20_000
"""Pairs of words that are kept, the most frequent ones, so that a model stays small."""


class WordBigrams:
    """Bigram model with Witten-Bell smoothing (1991) over a closed set of words and the end of a text.

    P(w | v) = (n(v, w) + d(v) P(w)) / (n(v) + d(v)), with n(v) the pairs that begin with v, d(v) the different ones,
    and P(w) = (n(w) + 1) / (n + V).

    Attributes:
        words: the words, by number.
    """

    def __init__(self, words: Sequence[str], counts: Sequence[int], pairs: Sequence[Sequence[int]]) -> None:
        """Args:
        words: the words.
        counts: how often the text ended, then how often each word occurred.
        pairs: [before, after, how often], words counted from 1; 0 is the start of a text and its end.
        """
        self.words = tuple(words)
        self._counts = list(counts)
        self._pairs = {(before, after): count for before, after, count in pairs}
        self._total = sum(self._counts) + len(self._counts)
        self._starts: Counter[int] = Counter()
        self._different: Counter[int] = Counter()
        for (before, _), count in self._pairs.items():
            self._starts[before] += count
            self._different[before] += 1

    @classmethod
    def count(cls, texts: Iterable[str]) -> Self:
        """Of texts whose words are what spaces separate."""
        lists = [text.split() for text in texts]
        words = sorted({word for each in lists for word in each})
        number = {word: index for index, word in enumerate(words, start=1)}
        counts, pairs = Counter({0: len(lists)}), Counter[tuple[int, int]]()
        for each in lists:
            numbers = [number[word] for word in each]
            counts.update(numbers)
            pairs.update(zip([0, *numbers], [*numbers, 0], strict=True))
        kept = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:MOST]
        return cls(words, [counts[index] for index in range(len(words) + 1)], [[*pair, count] for pair, count in kept])

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`."""
        return cls(data["words"], data["counts"], data["pairs"])

    def to_json(self) -> dict[str, Any]:
        """The counts as plain lists."""
        pairs = [[*pair, count] for pair, count in self._pairs.items()]
        return {"words": list(self.words), "counts": self._counts, "pairs": pairs}

    @property
    def unseen(self) -> float:
        """Share of words to come that are none of these, as Good and Turing estimate it: of those that came once."""
        words = self._counts[1:]
        return words.count(1) / max(1, sum(words))

    def log_probability(self, before: int | None, after: int | None) -> float:
        """Of word number `after` once `before` was said; `None` is the start of a text before, its end after."""
        v, w = (0 if word is None else word + 1 for word in (before, after))
        alone = (self._counts[w] + 1) / self._total
        different = self._different[v]
        if not different:
            return log(alone)
        return log((self._pairs.get((v, w), 0) + different * alone) / (self._starts[v] + different))
