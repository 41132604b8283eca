"""Keys and passwords kept out of everything that is shown or stored, also where a server repeats them."""

import re
from collections.abc import Iterable

from mmbench.errors import printable

_LEAST = 4  # characters; what is shorter guards nothing
_PIECE = 8  # characters of a secret that a message may not have; an answer may have shorter ones by chance
_LONGEST = 300  # characters of a server's message that are kept
_HIDDEN = "[hidden]"
_BLOTTED = re.compile(r"\*{2,}|•{2,}|\w(?:\.{3,}|…)\w")


class Secrets:
    """Texts that nobody may see.

    Args:
        certain: keys and passwords: no answer has one by chance.
        possible: a user's name, or a date in an address: kept out of messages only, since an answer may be that word.
    """

    def __init__(self, certain: Iterable[str] = (), possible: Iterable[str] = ()) -> None:
        kept = [text for text in certain if len(text) >= _LEAST]
        self._long = sorted({text for text in kept if len(text) >= _PIECE}, key=len, reverse=True)
        texts = {*kept, *(text for text in possible if len(text) >= _LEAST)}
        self._pieces = {text[at : at + _PIECE] for text in texts for at in range(max(1, len(text) - _PIECE + 1))}

    def without(self, text: str) -> str:
        """An answer without secrets that are long enough to be some."""
        for secret in self._long:
            text = text.replace(secret, _HIDDEN)
        return text

    def message(self, text: str) -> str:
        """A message in one line, without any word that has a piece of a secret, or a part blotted out.

        Servers that refuse a key like to repeat its beginning and its end.
        """
        line = printable(" ".join(_HIDDEN if self._tells(word) else word for word in text.split()))
        return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"

    def _tells(self, word: str) -> bool:
        return bool(_BLOTTED.search(word)) or any(piece in word for piece in self._pieces)
