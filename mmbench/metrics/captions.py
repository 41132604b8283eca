"""What the metrics of captions share: rows of raw text, which `finish` tokenises all at once."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmbench.errors import UsageError
from mmbench.metrics.java import versions
from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.metric import ERROR, Columns, FloatArray, Metric, as_array
from mmbench.metrics.ptb_tokenizer import ptb_missing, ptb_tokenize
from mmbench.metrics.simple_tokenizer import simple_tokenize
from mmbench.sample import Prediction, Sample


@dataclass(frozen=True, slots=True)
class Captions:
    """Tokenised captions of n images, the tokens of each joined by spaces.

    Attributes:
        candidates: what the model said, [n].
        references: what people said, [n] lists of at least one.
    """

    candidates: list[str]
    references: list[list[str]]


class CaptionMetric(Metric):
    """Base of metrics that compare tokens of a caption with tokens of its references.

    The tokenizer is an option: `ptb` is that of the COCO evaluation, which needs Java and the package pycocoevalcap;
    `simple` needs neither (see `simple_tokenizer`); `auto` is `ptb` where it can run, else `simple`. `settings` says
    which it came to: scores by different tokenizers do not compare.
    """

    columns: ClassVar[tuple[str, ...]] = ("candidate", "references")
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"tokenizer": ("auto", "ptb", "simple")}

    def __init__(self, **chosen: str) -> None:
        """Args:
        chosen: values of some of `options`.

        Raises:
            UsageError: no such option, or not one of its values, or `ptb` cannot run here.
        """
        super().__init__(**chosen)
        self.tokenizer = _available(self.chosen["tokenizer"])

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """The candidate, which may be empty, and the references, as they stand.

        Raises:
            ValueError: there is no reference, or one is empty, or a text holds half of a character.
        """
        given = [sample.target] if isinstance(sample.target, str) else sample.target
        if not isinstance(given, list | tuple) or not given:
            raise ValueError("no reference caption")
        references = [_text(text, f"reference {i} of {len(given)}") for i, text in enumerate(given, start=1)]
        for i, text in enumerate(references, start=1):
            if not text.strip():
                raise ValueError(f"reference {i} of {len(references)} is empty")
        return (_text(prediction.value, "the caption"), references)

    def finish(self, rows: Columns) -> Columns:
        """Tokenise, and measure; an image of whose references no token is left cannot be scored.

        Raises:
            HarnessError: the tokenizer failed.
        """
        flat = iter(tokenize(tuple(text for some in rows["references"] for text in some), self.tokenizer))
        references = [[next(flat) for _ in some] for some in rows["references"]]
        candidates = tokenize(tuple(rows["candidate"]), self.tokenizer)
        usable = np.array([any(some) for some in references], dtype=bool)
        measured = self.measure(
            Captions(
                [text for text, kept in zip(candidates, usable, strict=True) if kept],
                [some for some, kept in zip(references, usable, strict=True) if kept],
            )
        )
        return measured if usable.all() else _placed(measured, usable)

    def measure(self, captions: Captions) -> Columns:
        """Columns of n rows, from tokenised captions; the tokens themselves, unless a metric keeps something else."""
        return {"candidate": as_array(captions.candidates), "references": as_array(captions.references)}

    def settings(self) -> dict[str, Any]:
        """The options, with the tokenizer that runs, and what that runs by."""
        ran_by = versions() if self.tokenizer == "ptb" else {}
        return super().settings() | {"tokenizer": self.tokenizer} | ran_by


class MeanCaptionMetric(CaptionMetric, MeanMetric):
    """Base of metrics that score each image and take the mean."""

    @abstractmethod
    def scores(self, captions: Captions) -> FloatArray:
        """The score of each image, [n]."""

    def measure(self, captions: Captions) -> Columns:
        """The score of each image, [n]."""
        return {"score": self.scores(captions)}

    def per_sample(self, rows: Columns) -> FloatArray:
        """The score of each image, [n]."""
        return np.asarray(rows["score"], dtype=np.float64)


@lru_cache(maxsize=2)  # candidates and references: metrics that keep different columns tokenise the same captions
def tokenize(captions: tuple[str, ...], tokenizer: str) -> tuple[str, ...]:
    """Tokens of each caption by `ptb` or `simple`, in lower case without punctuation, joined by spaces.

    Raises:
        HarnessError: the tokenizer failed.
    """
    return tuple(ptb_tokenize(captions) if tokenizer == "ptb" else map(simple_tokenize, captions))


def _placed(columns: Columns, usable: NDArray[np.bool_]) -> Columns:
    """Columns of the usable rows among all, [n]; `None` in the others, which have an error."""
    found = {name: np.full(len(usable), None, dtype=object) for name in [*columns, ERROR]}
    for name, values in columns.items():
        found[name][usable] = values
    found[ERROR][~usable] = "every reference is empty after tokenisation"
    return found


def _available(wanted: str) -> str:
    lacking = ptb_missing() if wanted != "simple" else None
    if wanted == "ptb" and lacking is not None:
        raise UsageError(f"tokenizer=ptb needs {lacking}; tokenizer=simple needs neither")
    return "simple" if wanted == "simple" or lacking is not None else "ptb"


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is of type {type(value).__name__}; expected text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = ascii(value[error.start])
        raise ValueError(f"{what} holds {half}, half of a character; it was not decoded as UTF-8") from error
    return value
