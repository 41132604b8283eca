"""Edits between word sequences where writing a compound as one word or as several is no error."""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mmbench.metrics.edits import Edits

_Row = NDArray[np.int64]
_Run = tuple[int, int, str]

# The edits of a cell are one number, so that one more is a sum: the errors, of which substitutions, of which deletions,
# of 21 bits each. The errors alone say which of two cells is better.
_ERRORS, _SUBSTITUTIONS = 42, 21
_MASK = (1 << 21) - 1
_INSERTION = 1 << _ERRORS
_SUBSTITUTION = _INSERTION + (1 << _SUBSTITUTIONS)
_DELETION = _INSERTION + 1


def compound_edits(reference: Sequence[str], hypothesis: Sequence[str]) -> Edits | None:
    """The fewest edits when words that run together are right: "white paper" for "whitepaper", or the other way.

    The rule of the Open ASR Leaderboard's scorer (kaldialign, `merge_compounds`): any number of neighbouring words on
    one side that spell one word on the other match it. The words of the reference then count as hits, so that its
    length stays what it is. Time grows with the product of the two lengths, memory with the hypothesis only.

    Returns:
        The edits; `None` where no words run together, so that the usual edits are the fewest.
    """
    split = list(_runs(reference, set(hypothesis)))
    joined = list(_runs(hypothesis, set(reference)))
    if not split and not joined:
        return None
    cell = int(_last_row(reference, hypothesis, split, joined)[-1])
    errors, substitutions, deletions = cell >> _ERRORS, cell >> _SUBSTITUTIONS & _MASK, cell & _MASK
    hits = len(reference) - substitutions - deletions
    return Edits(substitutions, deletions, errors - substitutions - deletions, hits)


def _runs(words: Sequence[str], wanted: set[str]) -> Iterator[_Run]:
    """Runs of two or more words that spell a wanted one: where they start, where they stop, what they spell."""
    longest = max(map(len, wanted), default=0)
    for start in range(len(words)):
        text = words[start]
        for stop in range(start + 2, len(words) + 1):
            text += words[stop - 1]
            if len(text) > longest:
                break
            if text in wanted:
                yield start, stop, text


def _last_row(reference: Sequence[str], hypothesis: Sequence[str], split: list[_Run], joined: list[_Run]) -> _Row:
    """Edits from the whole reference to the first j words of the hypothesis, [len(hypothesis) + 1].

    Of equally good ways the first counts: a pair of words, a word that was split, one that was joined, a deletion, an
    insertion.
    """
    splits, joins = defaultdict[int, list[_Run]](list), defaultdict[str, list[tuple[int, int]]](list)
    for run in split:
        splits[run[1]].append(run)
    for start, stop, text in joined:
        joins[text].append((start, stop))
    code = {word: number for number, word in enumerate({*reference, *hypothesis})}
    codes = np.array([code[word] for word in hypothesis], dtype=np.int64)
    column = np.arange(len(hypothesis) + 1)
    rows = deque([column * _INSERTION], maxlen=max((stop - start for start, stop, _ in split), default=1))
    for i, word in enumerate(reference, start=1):
        before = rows[-1]
        row = before + _DELETION
        row[1:] = before[:-1] + np.where(codes == code[word], 0, _SUBSTITUTION)
        for start, _, text in splits[i]:
            at = np.flatnonzero(codes == code[text])
            _improve(row, at + 1, rows[start - i][at])
        if word in joins:
            starts, stops = np.array(joins[word]).T
            _improve(row, stops, before[starts])
        _improve(row, column, before + _DELETION)
        rows.append(_inserted(row, column))
    return rows[-1]


def _improve(row: _Row, at: _Row, ways: _Row) -> None:
    """Take ways with fewer errors to the cells `at`."""
    row[at] = np.where(ways >> _ERRORS < row[at] >> _ERRORS, ways, row[at])


def _inserted(row: _Row, column: _Row) -> _Row:
    """The best of each cell and of all before it with the words since then inserted, the nearest of equals."""
    width = len(row)
    source = -np.minimum.accumulate(((row >> _ERRORS) - column) * width - column) % width
    best: _Row = row[source] + (column - source) * _INSERTION
    return best
