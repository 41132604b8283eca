"""What one task teaches in a training run, and its batches as training sees them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from torch.utils.data import Sampler

from mmbench.data.augment import AUGMENT
from mmbench.data.decoded import DecodedImages
from mmbench.engine.loader import Failure
from mmbench.engine.train_options import TrainOptions
from mmbench.engine.validation import Validation
from mmbench.errors import UsageError
from mmbench.model import Model
from mmbench.sample import Dataset, Modality, Sample


@dataclass(frozen=True, slots=True)
class Lesson:
    """One task's part of a training run; most runs have one.

    Attributes:
        name: its task and data set.
        model: learns it; the models of several lessons share modules.
        samples: to learn from.
        validation: held-out samples and the metrics on them.
    """

    name: str
    model: Model
    samples: Dataset
    validation: Validation


@dataclass(frozen=True, slots=True)
class Portion:
    """What one process learns from in one step.

    Attributes:
        epoch: from 0.
        lesson: number of the lesson.
        indices: positions in its samples.
        weight: what the mean loss over them is multiplied by, so that the mean over processes is that over the batch.
    """

    epoch: int
    lesson: int
    indices: list[int]
    weight: float


class LessonSampler(Sampler[Portion]):
    """The steps of an epoch: every sample once, in an order that follows from seed and epoch.

    A step is of one lesson. The batches of a lesson are equally large to within one sample, and as few as keep them
    within the batch size: no small one is left at the end, whose few samples would count for more than others, or from
    whose only one batch norm could not learn. Several processes share each batch.
    """

    def __init__(self, sizes: Sequence[int], batch_size: int, seed: int, rank: int = 0, processes: int = 1) -> None:
        """Args:
            sizes: samples of each lesson.
            batch_size: samples of a step, over all processes, at most.
            seed: of the order.
            rank, processes: which of how many processes this is.

        Raises:
            UsageError: some process would have no sample in some step.
        """
        self._sizes = sizes
        self._steps = [-(-size // batch_size) for size in sizes]
        self._seed = seed
        self._epoch = 0
        self._rank = rank
        self._processes = processes
        smallest = min(size // steps for size, steps in zip(sizes, self._steps, strict=True))
        if smallest < processes:
            raise UsageError(
                f"a step of {smallest} training samples cannot be shared by {processes} processes: raise "
                "--batch-size or --limit"
            )

    def set_epoch(self, epoch: int) -> None:
        """Another order in each epoch, and the same again in a resumed run."""
        self._epoch = epoch

    def __len__(self) -> int:
        return sum(self._steps)

    def __iter__(self) -> Iterator[Portion]:
        random = np.random.default_rng((self._seed, self._epoch))
        batches = [
            (lesson, batch)
            for lesson, (size, steps) in enumerate(zip(self._sizes, self._steps, strict=True))
            for batch in np.array_split(random.permutation(size), steps)
        ]
        for number in random.permutation(len(batches)):
            lesson, batch = batches[number]
            own = np.array_split(batch, self._processes)[self._rank]
            yield Portion(self._epoch, lesson, own.tolist(), len(own) * self._processes / len(batch))


class LessonBatches:
    """A batch for each `Portion`, made in a loader worker: samples read, varied if the options say so, and collated."""

    def __init__(self, lessons: Sequence[Lesson], options: TrainOptions) -> None:
        self._lessons = lessons
        self._options = options
        self._decoded = DecodedImages()

    def __len__(self) -> int:
        return sum(len(lesson.samples) for lesson in self._lessons)

    def __getitem__(self, portion: Portion, /) -> dict[str, Any]:
        """`lesson`, `batch` and `weight`; or `failure`: the sample that cannot be read, and why, in one line."""
        lesson = self._lessons[portion.lesson]
        samples: list[Sample] = []
        for index in portion.indices:
            try:
                samples.append(self._sample(portion, index))
            except Exception as error:  # data may be broken in any way
                return _failure(Failure.of(index, f"#{index}", "load", error))
        try:
            batch = lesson.model.collate(samples)
        except Exception:  # some sample is bad: find which
            for index, sample in zip(portion.indices, samples, strict=True):
                try:
                    lesson.model.collate([sample])
                except Exception as error:  # as above
                    return _failure(Failure.of(index, sample.id, "decode", error))
            raise
        return {"lesson": portion.lesson, "batch": batch, "weight": portion.weight}

    def _sample(self, portion: Portion, index: int) -> Sample:
        lesson, options = self._lessons[portion.lesson], self._options
        sample = lesson.samples[index]
        if Modality.IMAGE in lesson.model.modalities:
            sample = self._decoded.put_into(sample)
        if not options.varies:
            return sample
        # Drawn by what is varied, and not by who does it: processes and workers may be any number.
        random = np.random.default_rng((options.seed, portion.epoch, portion.lesson, index))
        return vary(sample, options, lesson.model.modalities, random)


def _failure(failure: Failure) -> dict[str, Any]:
    return {"failure": f"training sample {failure.id} cannot be read: {failure.reason}"}


def vary(sample: Sample, options: TrainOptions, modalities: Sequence[str], random: Generator) -> Sample:
    """The sample with some of the model's modalities left out and the others augmented, as the options say."""
    here = [m for m in modalities if sample.inputs.get(m) is not None]
    dropped = _dropped(here, options.modality_dropout, random)
    inputs = {m: value for m, value in sample.inputs.items() if m not in dropped}
    if options.augment:
        inputs = {m: AUGMENT[m](value, random) if m in AUGMENT and m in here else value for m, value in inputs.items()}
    return replace(sample, inputs=inputs)


def _dropped(modalities: Sequence[str], probability: float, random: Generator) -> set[str]:
    """Each with that probability by itself; if that would be all, one drawn at random stays."""
    draws = random.uniform(size=len(modalities))
    dropped = {m for m, draw in zip(modalities, draws, strict=True) if draw < probability}
    if modalities and len(dropped) == len(modalities):
        dropped.remove(modalities[int(random.integers(len(modalities)))])
    return dropped
