"""Whether both sides answer alike: a fast model that answers wrongly is no faster model."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from mmbench.errors import printable
from mmbench.record.gate import Answers

_CLOSE = 1e-3
"""Relative to the largest number of a vector: what other kernels and orders of summation may change of it."""

_LENGTH = 40  # characters of an answer that are shown


def compare_answers(base: Sequence[Mapping[str, Any]], head: Sequence[Mapping[str, Any]]) -> Answers:
    """Answers to the same samples, in order.

    Texts must be the same. Vectors, which are answers themselves, must be close. Scores behind equal texts may differ;
    by how much is told.
    """
    differ, largest, first = 0, None, None
    for number, (one, other) in enumerate(zip(base, head, strict=True)):
        apart = _apart(one["numbers"], other["numbers"])
        if apart is not None:
            largest = apart if largest is None else max(largest, apart)
        wrong = one["value"] != other["value"] or (one["embeds"] and not _close(one["numbers"], other["numbers"]))
        if wrong:
            differ += 1
            first = first or f"sample {number}: {_shown(one)} in base, {_shown(other)} in head"
    return Answers(samples=len(base), differ=differ, largest=largest, first=first)


def digest(answers: Sequence[Mapping[str, Any]]) -> str:
    """Fingerprint of the texts of answers, by which they are known again; vectors vary in their last digits."""
    return sha256(json.dumps([answer["value"] for answer in answers]).encode()).hexdigest()


def _apart(one: Sequence[float] | None, other: Sequence[float] | None) -> float | None:
    if one is None or other is None or len(one) != len(other):
        return None
    apart = float(np.max(np.abs(np.subtract(one, other)), initial=0.0))
    return apart if np.isfinite(apart) else None


def _close(one: Sequence[float] | None, other: Sequence[float] | None) -> bool:
    apart = _apart(one, other)
    return one is not None and apart is not None and apart <= _CLOSE * float(np.max(np.abs(one), initial=0.0))


def _shown(answer: Mapping[str, Any]) -> str:
    if answer["embeds"]:
        return "another vector"
    text = printable(answer["value"])
    return repr(text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…")
