"""CTC output to text: greedy, or a beam over the words of a lexicon."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp, inf, log1p

import numpy as np
from numpy.typing import NDArray

BLANK = 0


def collapse(path: Sequence[int]) -> list[int]:
    """What an alignment stands for: repeats are one, then blanks are none (Graves et al. 2006)."""
    return [symbol for before, symbol in zip([BLANK, *path], path, strict=False) if symbol not in {before, BLANK}]


@dataclass(slots=True)
class Node:
    """A place in the tree of the lexicon's words.

    Attributes:
        symbol: the character that leads here.
        children: node by character.
        word: the word that ends here, if one does.
    """

    symbol: int = BLANK
    children: dict[int, "Node"] = field(default_factory=dict)
    word: int | None = None


def word_tree(spellings: Sequence[Sequence[int]]) -> Node:
    """The tree of words, given as characters; a word's number is its position."""
    root = Node()
    for number, spelling in enumerate(spellings):
        node = root
        for symbol in spelling:
            node = node.children.setdefault(symbol, Node(symbol))
        node.word = number
    return root


WordScore = Callable[[int | None, int | None], float]
"""Log-probability of a word after a word; `None` before is the start of the text, and after it the end."""


@dataclass(slots=True)
class _Prefix:
    """A text up to a place within a word; `blank` and `symbol` are log-probabilities of alignments by how they end."""

    words: tuple[int, ...]
    node: Node
    score: float  # of the whole words
    blank: float = -inf
    symbol: float = -inf

    @property
    def total(self) -> float:
        return _add(self.blank, self.symbol)


class LexiconBeam:
    """Prefix beam search (Hannun et al. 2014) among texts of known words.

    A text scores the log-probability of all its alignments, and what a language model gives its words times a weight.
    """

    def __init__(
        self,
        root: Node,
        space: int | None,
        score: WordScore,
        *,
        weight: float = 0.5,
        width: int = 64,
        least: float = -12.0,
    ) -> None:
        """Args:
        root: of the lexicon's tree.
        space: the symbol between words; `None` where texts have one word at most.
        score: log-probability of a word after a word.
        weight: of `score` against the sound; from 0.3 to 1 it makes little difference.
        width: prefixes that are kept at each frame.
        least: symbols of a lower log-probability are passed over in a frame.
        """
        self.root = root
        self.space = space
        self.score = score
        self.weight = weight
        self.width = width
        self.least = least

    def __call__(self, log_probabilities: NDArray[np.float32]) -> list[int]:
        """Numbers of the words of the best text found, for one clip [T, C]; symbol 0 is the blank."""
        beam = [_Prefix((), self.root, 0.0, blank=0.0)]
        for frame in log_probabilities.tolist():
            beam = self._step(beam, frame)
        return self._best(beam)

    def _step(self, beam: list[_Prefix], frame: list[float]) -> list[_Prefix]:
        found: dict[tuple[tuple[int, ...], int], _Prefix] = {}

        def prefix(words: tuple[int, ...], node: Node, score: float) -> _Prefix:
            return found.setdefault((words, id(node)), _Prefix(words, node, score))

        for old in beam:
            total = old.total
            last = old.node.symbol if old.node is not self.root else self.space if old.words else None
            same = prefix(old.words, old.node, old.score)
            same.blank = _add(same.blank, total + frame[BLANK])
            if last is not None:
                same.symbol = _add(same.symbol, old.symbol + frame[last])
            for symbol, child in old.node.children.items():
                if frame[symbol] >= self.least:
                    # A character twice in a row needs a blank in between.
                    reached = old.blank if symbol == last else total
                    longer = prefix(old.words, child, old.score)
                    longer.symbol = _add(longer.symbol, reached + frame[symbol])
            if old.node.word is not None and self.space is not None and frame[self.space] >= self.least:
                words = (*old.words, old.node.word)
                longer = prefix(words, self.root, old.score + self._after(old.words, old.node.word))
                longer.symbol = _add(longer.symbol, total + frame[self.space])
        ranked = sorted(found.values(), key=lambda each: each.total + each.score, reverse=True)
        return ranked[: self.width]

    def _after(self, words: tuple[int, ...], word: int | None) -> float:
        return self.weight * self.score(words[-1] if words else None, word)

    def _best(self, beam: list[_Prefix]) -> list[int]:
        """The best whole text; where no prefix ends with a word, the whole words of the best prefix."""
        texts: dict[tuple[int, ...], float] = {}
        for each in beam:
            if each.node is self.root:
                words, score = each.words, each.score
            elif each.node.word is not None:
                words = (*each.words, each.node.word)
                score = each.score + self._after(each.words, each.node.word)
            else:
                continue
            texts[words] = _add(texts.get(words, -inf), each.total + score + self._after(words, None))
        best = max(texts, key=lambda words: texts[words]) if texts else beam[0].words
        return list(best)


def _add(one: float, other: float) -> float:
    """log(exp(one) + exp(other))."""
    if one < other:
        one, other = other, one
    return one if other == -inf else one + log1p(exp(other - one))
