"""Captions to word numbers and back."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

PADDING, START, END, UNKNOWN = range(4)
"""What the first numbers stand for; words follow."""

_WORD = re.compile(
    r"""
      (?:[^\W\d_]\.){2,}        # u.s., p.m.
    | \d+(?:[.,:/]\d+)+         # 1/2, 10,000, 12:30
    | \w+(?:[-/'’]\w+)*         # t-shirt, o'clock, don't
    | [^\w\s]
    """,
    re.VERBOSE,
)
_CLOSING = frozenset(".,;:!?)]}%…")
_OPENING = frozenset("([{#$")


def split_words(caption: str) -> list[str]:
    """Words and punctuation marks in lower case."""
    return _WORD.findall(caption.lower())


def join_words(words: Iterable[str]) -> str:
    """A caption of words and punctuation marks, which stand where print has them."""
    text, apart = "", False
    for word in words:
        text += f" {word}" if apart and word not in _CLOSING else word
        apart = word not in _OPENING
    return text


class CaptionWords:
    """The words of the training captions, by number; all others share one."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._number = {word: number for number, word in enumerate(self.words, start=UNKNOWN + 1)}

    @classmethod
    def of(cls, captions: Iterable[str], least: int) -> "CaptionWords":
        """Every word that occurs at least `least` times."""
        counts = Counter(word for caption in captions for word in split_words(caption))
        return cls(sorted(word for word, count in counts.items() if count >= least))

    def __len__(self) -> int:
        """Numbers in use."""
        return UNKNOWN + 1 + len(self.words)

    def encode(self, caption: str, longest: int) -> list[int]:
        """Numbers of the first `longest` words, and the end."""
        return [*(self._number.get(word, UNKNOWN) for word in split_words(caption)[:longest]), END]

    def decode(self, numbers: Iterable[int]) -> str:
        """The words up to the end; what is no word is left out."""
        known: list[str] = []
        for number in numbers:
            if number == END:
                break
            if number > UNKNOWN:
                known.append(self.words[number - UNKNOWN - 1])
        return join_words(known)
