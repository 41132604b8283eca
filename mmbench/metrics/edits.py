"""What error rates of transcripts share: edits from reference to hypothesis, summed, by the reference's length."""

from abc import abstractmethod
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmbench.metrics.metric import Columns, FloatArray, Metric, share
from mmbench.metrics.speech_text import NORMALIZERS, normalize
from mmbench.sample import Prediction, Sample


class Edits(NamedTuple):
    """How a reference became a hypothesis, in words or characters; S + D + H is the length of the reference.

    Attributes:
        substitutions: S, of the reference, each replaced by another one.
        deletions: D, of the reference, missing in the hypothesis.
        insertions: I, of the hypothesis, without one in the reference.
        hits: H, of the reference, right.
    """

    substitutions: int
    deletions: int
    insertions: int
    hits: int


class ErrorRate(Metric):
    """Base of `wer` and `cer`: (S + D + I) / (S + D + H) over all samples, not the mean of the samples' rates.

    Option `normalizer` says what happens to both texts before (see `NORMALIZERS`). A reference with nothing left then
    has no error rate and is an error; under `open-asr-subset` it is no sample, as the leaderboard has it.
    """

    higher_is_better: ClassVar[bool] = False
    columns: ClassVar[tuple[str, ...]] = Edits._fields
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"normalizer": NORMALIZERS}
    unit: ClassVar[str]
    """What is counted, in the plural."""

    @abstractmethod
    def edits(self, reference: str, hypothesis: str) -> Edits:
        """Edits between two normalised texts, of which the reference is not empty."""

    @property
    def drops_empty(self) -> bool:
        """Whether references that normalise to nothing are left out."""
        return self.chosen["normalizer"] == "open-asr-subset"

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """Substitutions, deletions, insertions, hits.

        Raises:
            ValueError: the reference is empty after normalisation, and the protocol does not leave it out.
        """
        normalizer = self.chosen["normalizer"]
        reference = normalize(normalizer, str(sample.target))
        if not reference.strip():
            if self.drops_empty:
                return Edits(0, 0, 0, 0)
            raise ValueError(
                f"the reference {str(sample.target)!r:.80} is empty after normalisation ({normalizer}), "
                "so it has no error rate"
            )
        return self.edits(reference, normalize(normalizer, prediction.value))

    def selected(self, rows: Columns) -> NDArray[np.bool_] | None:
        """Samples with a reference, where the protocol drops the others."""
        return self._lengths(rows) > 0 if self.drops_empty else None

    def statistics(self, rows: Columns) -> FloatArray:
        """Errors and length of the reference, [n, 2]."""
        return np.stack([_total(rows, "substitutions", "deletions", "insertions"), self._lengths(rows)], axis=1)

    def value(self, sums: FloatArray) -> FloatArray:
        """Errors by reference length, [..., 2] -> [...]; can exceed 1; NaN without a reference."""
        return share(sums)

    def settings(self) -> dict[str, Any]:
        """The normaliser, and the versions of what normalises and aligns."""
        return super().settings() | {
            "jiwer": version("jiwer"),
            "whisper-normalizer": version("whisper-normalizer"),
        }

    def details(self, rows: Columns) -> dict[str, Any]:
        """Totals of each kind of edit, and of the reference; and how many references the protocol dropped, if any."""
        n = len(rows["hits"])
        rows = self.select(rows)
        dropped = n - len(rows["hits"])
        totals = {"dropped_references": dropped} if dropped else {}
        totals |= {column: int(_total(rows, column).sum()) for column in self.columns}
        return totals | {f"reference_{self.unit}": int(self._lengths(rows).sum())}

    def _lengths(self, rows: Columns) -> FloatArray:
        return _total(rows, "substitutions", "deletions", "hits")


def _total(rows: Columns, *kinds: str) -> FloatArray:
    total: FloatArray = np.sum([np.asarray(rows[kind], dtype=np.float64) for kind in kinds], axis=0)
    return total
