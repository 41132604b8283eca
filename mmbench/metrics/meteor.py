"""METEOR: words matched by form, stem, synonym and paraphrase, with a penalty for matches in pieces.

Denkowski and Lavie: Meteor Universal, WMT 2014, https://aclanthology.org/W14-3348. The jar of pycocoevalcap aligns
words as in the COCO caption evaluation (METEOR 1.5, English, `-norm`); the score is computed here from what it counts,
so that resampled and partial scores need no Java.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmbench.errors import HarnessError
from mmbench.metrics.captions import CaptionMetric, Captions
from mmbench.metrics.java import missing, package_file, run_lines, versions
from mmbench.metrics.metric import Columns, FloatArray

_JAR = "meteor/meteor-1.5.jar"

# The parameters of METEOR 1.5 for English.
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_STAGES = np.array([1.0, 0.6, 0.8, 0.6])  # weights of a match by form, stem, synonym, paraphrase

_COUNTS = ("matched", "length", "reference_matched", "reference_length", "chunks", "in_match")


class METEOR(CaptionMetric):
    """METEOR of the corpus, 0 to 1; not defined where Java or pycocoevalcap is missing, as `settings` then says."""

    most: ClassVar[float] = 1.0

    name: ClassVar[str] = "meteor"

    def __init__(self, **chosen: str) -> None:
        """As `CaptionMetric`."""
        super().__init__(**chosen)
        self.lacking = missing(_JAR)

    def measure(self, captions: Captions) -> Columns:
        """What the jar counts in each image, weighted; see `_weigh`; NaN where it cannot run."""
        n = len(captions.candidates)
        if self.lacking is not None:
            return dict.fromkeys(_COUNTS, np.full(n, np.nan))
        return _weigh(_align(captions))

    def selected(self, rows: Columns) -> NDArray[np.bool_] | None:
        """None of the rows, where the jar cannot run."""
        return None if self.lacking is None else np.zeros(len(rows[_COUNTS[0]]), dtype=bool)

    def statistics(self, rows: Columns) -> FloatArray:
        """The six counts, [n, 6]."""
        return np.stack([np.asarray(rows[name], dtype=np.float64) for name in _COUNTS], axis=-1)

    def value(self, sums: FloatArray) -> FloatArray:
        """The score from summed counts, [..., 6] -> [...]; 0 where nothing matches, NaN without words."""
        matched, length, reference_matched, reference_length, chunks, in_match = np.moveaxis(sums, -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision, recall = matched / length, reference_matched / reference_length
            mean = precision * recall / (_ALPHA * precision + (1 - _ALPHA) * recall)
            score = mean * (1 - _GAMMA * (2 * chunks / in_match) ** _BETA)
        return np.where(length + reference_length > 0, np.where(in_match > 0, score, 0.0), np.nan)

    def settings(self) -> dict[str, Any]:
        """The tokenizer, and what the jar runs by; or why there is no score."""
        return super().settings() | (versions() if self.lacking is None else self._reason())

    def details(self, rows: Columns) -> Mapping[str, Any] | None:
        """Why there is no score, where there is none."""
        return None if self.lacking is None else self._reason()

    def _reason(self) -> dict[str, str]:
        return {"not_computed": f"METEOR needs {self.lacking}"}


def _align(captions: Captions) -> FloatArray:
    """What the jar counts for each image and the reference that fits it best, [n, 23].

    The columns: words of the caption and of the reference, function words of both; by stage matched content words of
    both, then matched function words of both; chunks; words of both that are in a match.
    """
    jar = package_file(_JAR)
    if jar is None:
        raise HarnessError(f"METEOR needs {missing(_JAR)}")
    lines = [
        _line("SCORE", *references, candidate)
        for candidate, references in zip(captions.candidates, captions.references, strict=True)
    ]
    answers = run_lines(["-Xmx2G", "-jar", jar, "-", "-", "-stdio", "-l", "en", "-norm"], lines)
    try:
        return np.array([[float(number) for number in line.split()] for line in answers]).reshape(len(lines), 23)
    except ValueError as error:
        raise HarnessError(f"METEOR answered with something else than 23 numbers a caption: {error}") from error


def _line(command: str, *texts: str) -> str:
    return " ||| ".join([command, *(text.replace("|||", " ") for text in texts)])


def _weigh(counts: FloatArray) -> dict[str, FloatArray]:
    """From the jar's counts [n, 23] to those that the score is made of, [n] each.

    Content words weigh `_DELTA`, function words the rest; matches also by their stage. A caption that matches as a
    whole and in one piece has no chunk: METEOR does not count it, so that nothing is penalised.
    """
    words, function, stages = counts[:, 0:2], counts[:, 2:4], counts[:, 4:20].reshape(-1, 4, 4)
    length = _DELTA * (words - function) + (1 - _DELTA) * function
    matched = _STAGES @ (_DELTA * stages[:, :, 0:2] + (1 - _DELTA) * stages[:, :, 2:4])
    chunks, in_match = counts[:, 20], counts[:, 21:23]
    perfect = (stages.sum(axis=1).reshape(-1, 2, 2).sum(axis=1) == words).all(axis=1) & (chunks == 1)
    columns = [matched[:, 0], length[:, 0], matched[:, 1], length[:, 1], np.where(perfect, 0.0, chunks)]
    return dict(zip(_COUNTS, [*columns, in_match.sum(axis=1)], strict=True))
