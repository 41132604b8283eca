"""How transcripts are made comparable before they are counted: the normalisers that `wer` and `cer` can use."""

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import groupby

Normalizer = Callable[[str], str]

NORMALIZERS = ("whisper-english", "whisper-basic", "open-asr-subset", "none")
"""Values of the protocol option `normalizer`, the default first.

- `whisper-english`: what Whisper was scored with (Radford et al. 2022, appendix C), from whisper-normalizer.
- `whisper-basic`: the same authors' normaliser for other languages: lower case, no symbols, nothing in brackets.
- `open-asr-subset`: the rules of the Open ASR Leaderboard that can be stated without its word lists, see `open_asr`.
- `none`: the text as it stands.
"""

_HESITATION = re.compile(r"\b(?:a+h+|e+h+|e+r+m*|h+m+|m+h+m+|m{2,}|u+h+m*|u+m+)\b")


@lru_cache(maxsize=4096)  # WER and CER ask for the same text, and references come again with every model
def normalize(name: str, text: str) -> str:
    """A transcript after the normaliser of that name, one of `NORMALIZERS`."""
    return _normalizer(name)(text)


@lru_cache
def _normalizer(name: str) -> Normalizer:
    match name:
        case "whisper-english" | "open-asr-subset":
            from whisper_normalizer.english import EnglishTextNormalizer  # noqa: PLC0415  # slow to import

            english: Normalizer = EnglishTextNormalizer()
            return english if name == "whisper-english" else lambda text: open_asr(text, english)
        case "whisper-basic":
            from whisper_normalizer.basic import BasicTextNormalizer  # noqa: PLC0415

            basic: Normalizer = BasicTextNormalizer()
            return basic
        case "none":
            return str
    raise ValueError(f"no normaliser {name!r}; there are {', '.join(NORMALIZERS)}")


def open_asr(text: str, english: Normalizer) -> str:
    """What of the Open ASR Leaderboard's normaliser can be told in rules.

    Whisper's English one, but before it hesitations vanish at any length (ah, eh, er, hm, mhm, mm, uh, um), and after
    it single letters and digits in a row become one word ("b b c" is "bbc"); a run with "a" or "i" needs three, since
    these are words of their own. Not here: its tables of names, spellings and compounds, clock times and its treatment
    of "'s" and "oh", all of which change from month to month. So scores come near the leaderboard's, not equal.
    """
    return " ".join(_join_letters(english(_HESITATION.sub("", text.lower())).split()))


def _join_letters(words: list[str]) -> list[str]:
    found: list[str] = []
    for single, run in groupby(words, lambda word: len(word) == 1 and word.isalnum()):
        letters = list(run)
        least = 3 if {"a", "i"} & set(letters) else 2
        found += ["".join(letters)] if single and len(letters) >= least else letters
    return found
