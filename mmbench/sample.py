"""What flows in and out of a model: `Sample` with its modalities, target and group; `Prediction`."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class Modality(StrEnum):
    """The kinds of input. Members are strings, so `"image"` and `Modality.IMAGE` are the same key."""

    IMAGE = "image"
    TEXT = "text"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class Audio:
    """Decoded audio: `samples` float32 [T] mono or [C, T], `rate` in Hz."""

    samples: NDArray[np.float32]
    rate: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One question to a model.

    Attributes:
        id: unique within its data set and split.
        inputs: value by modality; image: path or PIL image, text: str, audio: path or `Audio`.
            A missing key is a missing modality. Paths are opened only when a batch is made.
        target: the right answer, in the form its task scores: a str, or a list of str where several are right (the
            answers of several people, reference captions); `None` where it is not known.
        group: the cluster for intervals and for splits (the image that several questions share).
        meta: what breakdowns need (question type, ...).
        duration: seconds of audio, for real-time factors; `None` where there is none.
    """

    id: str
    inputs: Mapping[str, Any]
    target: Any = None
    group: str | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    duration: float | None = None

    @property
    def label(self) -> str:
        """The one answer that a classifier learns: the target, or the most frequent of several, the first of equals."""
        if isinstance(self.target, list | tuple) and self.target:
            return str(Counter(self.target).most_common(1)[0][0])
        return str(self.target)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer to one sample.

    Attributes:
        value: the label or the text; empty where the answer is a vector.
        scores: log-probabilities by label, up to a constant, float32 [C]; `None` from a generator.
        labels: names of the C labels, shared by all predictions of a model; `None` without scores.
        vector: the sample in the model's common space, float32 [D]; `None` unless the model was asked to embed.
    """

    value: str
    scores: NDArray[np.float32] | None = None
    labels: Sequence[str] | None = None
    vector: NDArray[np.float32] | None = None


Answers = Sequence[Prediction | Exception]
"""One prediction a sample, in order; an exception in place of one that could not be had."""


@runtime_checkable
class Dataset(Protocol):
    """Samples of one split, by position; nothing is decoded before a batch is made.

    It may have `head(count) -> Dataset`, where the first `count` samples would not belong together; `revision`, which
    then names the data instead of the card's; and `splits`, which the files have where the card does not know.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


@runtime_checkable
class Alters(Dataset, Protocol):
    """A data set whose samples are altered ones of another."""

    def unaltered(self, index: int, /) -> Sample:
        """The sample as it was."""
        ...


class Subset:
    """The samples of `dataset` at `indices`, in that order, without copying any."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> Sample:
        return self.dataset[self.indices[index]]


class Chain:
    """The samples of several data sets, one data set after the other."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self.datasets = datasets
        self._starts = list(accumulate(map(len, datasets), initial=0))

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int, /) -> Sample:
        which, position = self.place(index)
        return self.datasets[which][position]

    def place(self, index: int) -> tuple[int, int]:
        """Number of the data set that has the sample, and the sample's position there.

        Raises:
            IndexError: there are not as many samples.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"there is no sample {index} of {len(self)}")
        which = bisect_right(self._starts, index) - 1
        return which, index - self._starts[which]


def head(dataset: Dataset, count: int | None) -> Dataset:
    """The first `count` samples, or all; the data set may have its own way to take them."""
    if count is None:
        return dataset
    own: Callable[[int], Dataset] | None = getattr(dataset, "head", None)
    return own(count) if own is not None else Subset(dataset, range(min(count, len(dataset))))
