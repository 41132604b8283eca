"""Edits between word sequences where writing a compound as one word or as several is no error."""

from collections.abc import Sequence
from itertools import product

from mmbench.metrics.edits import Edits

_Cell = tuple[int, int, int, int]  # errors, substitutions, deletions, insertions


def compound_edits(reference: Sequence[str], hypothesis: Sequence[str]) -> Edits | None:
    """The fewest edits when words that run together are right: "white paper" for "whitepaper", or the other way.

    The rule of the Open ASR Leaderboard's scorer (kaldialign, `merge_compounds`): any number of neighbouring words on
    one side that spell one word on the other match it. The words of the reference then count as hits, so that its
    length stays what it is.

    Returns:
        The edits; `None` where no words run together, so that the usual edits are the fewest.
    """
    split = _runs(reference, set(hypothesis))
    joined = _runs(hypothesis, set(reference))
    if not any(split) and not any(joined):
        return None
    best: dict[tuple[int, int], _Cell] = {(0, 0): (0, 0, 0, 0)}
    for i, j in product(range(len(reference) + 1), range(len(hypothesis) + 1)):
        ways = [best[0, 0]] if i == j == 0 else []
        if i and j:
            wrong = int(reference[i - 1] != hypothesis[j - 1])
            ways.append(_add(best[i - 1, j - 1], wrong, 0, 0))
            if (start := split[i].get(hypothesis[j - 1])) is not None:
                ways.append(best[start, j - 1])
            if (start := joined[j].get(reference[i - 1])) is not None:
                ways.append(best[i - 1, start])
        if i:
            ways.append(_add(best[i - 1, j], 0, 1, 0))
        if j:
            ways.append(_add(best[i, j - 1], 0, 0, 1))
        best[i, j] = min(ways, key=lambda way: way[0])
    _, substitutions, deletions, insertions = best[len(reference), len(hypothesis)]
    return Edits(substitutions, deletions, insertions, len(reference) - substitutions - deletions)


def _add(cell: _Cell, substitutions: int, deletions: int, insertions: int) -> _Cell:
    errors = substitutions + deletions + insertions
    return cell[0] + errors, cell[1] + substitutions, cell[2] + deletions, cell[3] + insertions


def _runs(words: Sequence[str], wanted: set[str]) -> list[dict[str, int]]:
    """For every position, where the runs of two or more words that end there start, by what they spell."""
    longest = max(map(len, wanted), default=0)
    found: list[dict[str, int]] = [{} for _ in range(len(words) + 1)]
    for start in range(len(words)):
        text = words[start]
        for stop in range(start + 1, len(words)):
            text += words[stop]
            if len(text) > longest:
                break
            if text in wanted:
                found[stop + 1][text] = start
    return found
