"""Answers to visual questions as text: those of a sample, and the normalisation of the official VQA evaluation."""

import re
from collections.abc import Callable

from mmbench.sample import Sample

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_DIGIT_COMMA_DIGIT = re.compile(r"\d,\d")
_FULL_STOP = re.compile(r"\.(?!\d)")
_FULL_STOPS = 32  # the official code passes the value of `re.UNICODE` where `re.sub` takes a count
_DIGITS = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5"}
_DIGITS |= {"six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"}
_ARTICLES = frozenset({"a", "an", "the"})
_WITH_APOSTROPHES = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
    he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've mustn't needn't not've
    o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
    someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've
    there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
    what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've
"""


def _without_one(word: str) -> list[str]:
    """Every spelling of `word` that lacks one of its apostrophes."""
    return [word[:at] + word[at + 1 :] for at, letter in enumerate(word) if letter == "'"]


_CONTRACTIONS = {lacking: word for word in _WITH_APOSTROPHES.split() for lacking in _without_one(word)}
_CONTRACTIONS["somebody'd"] = "somebodyd"  # the wrong way round in the official table


class Memo(dict[str, str]):
    """A function from text to text that remembers what it found: `memo[text]` costs a dict lookup the second time.

    Memory is bounded: at most 65,536 texts of at most 200 characters are kept, some 10 MB for answers of a few words
    and 35 MB if all are as long as that. A memo that is full begins anew; longer texts are not kept.
    """

    entries = 65_536
    characters = 200

    def __init__(self, function: Callable[[str], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, text: str) -> str:
        """What the function gives for a text that is not kept.

        Raises:
            TypeError: it is no text.
        """
        if not isinstance(text, str):
            raise TypeError(f"expected an answer as text, found {text!r:.80}")
        found = self._function(text)
        if len(text) <= self.characters:
            if len(self) >= self.entries:
                self.clear()
            self[text] = found
        return found


def strip(text: str) -> str:
    """What the official evaluation does to every text: line feeds and tabs to spaces, outer white space off."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def tidy(text: str) -> str:
    """Lower case, white space collapsed to single spaces, the outer taken off."""
    return " ".join(text.lower().split())


def normalize(text: str) -> str:
    r"""`strip`, then punctuation, case, number words, articles and contractions as the official evaluation has them.

    - Of the marks ``; / [ ] " { } ( ) = + \ _ - > < @ ` , ? !`` one that stands beside a space anywhere in the text
      is deleted throughout; another becomes a space; all are deleted where the text has a comma between two digits.
    - A full stop that no digit follows is deleted, 32 at most.
    - Lower case, white space to single spaces. The words zero (and none) to ten become digits, articles go, and words
      such as `dont` get their apostrophe.

    Source: the evaluation code of https://visualqa.org, rebuilt from its behaviour, its slips included.
    """
    stripped = strip(text)
    together = _DIGIT_COMMA_DIGIT.search(stripped) is not None
    deleted = {
        ord(mark): None if together or f"{mark} " in stripped or f" {mark}" in stripped else " "
        for mark in _MARKS
        if mark in stripped
    }
    words = _FULL_STOP.sub("", stripped.translate(deleted), count=_FULL_STOPS).lower().split()
    numbered = (_DIGITS.get(word, word) for word in words)
    return " ".join(_CONTRACTIONS.get(word, word) for word in numbered if word not in _ARTICLES)


stripped = Memo(strip)
"""`strip`, remembered."""

normalized = Memo(normalize)
"""`normalize`, remembered."""


def answers_of(sample: Sample) -> list[str]:
    """The right answers of a sample: its list of targets, or its only target.

    Raises:
        ValueError: it has none.
        TypeError: one of them is no text.
    """
    target = sample.target
    answers = list(target) if isinstance(target, list | tuple) else [] if target is None else [target]
    if not answers:
        raise ValueError("the sample has no answer to compare with")
    for answer in answers:
        if not isinstance(answer, str):
            raise TypeError(f"expected an answer as text, found {answer!r:.80}")
    return answers
