"""A model under altered inputs: each alteration asked once, and numbers made of several of them with intervals."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmbench.data.alteration import Alteration, altered
from mmbench.engine.loader import Failure
from mmbench.engine.rows import Asking, finished
from mmbench.engine.run import Run
from mmbench.engine.values import RESAMPLES
from mmbench.errors import HarnessError
from mmbench.metrics.metric import Columns, Metric
from mmbench.model import Model
from mmbench.sample import Dataset, Prediction, Sample, Subset
from mmbench.stats.contrast import Combine, contrasts
from mmbench.stats.intervals import Interval, interval

CLEAN = Alteration()
"""Nothing is altered."""

Finished = Mapping[str, Columns]
"""Finished rows of every family of metrics, by its prefix, in data set order."""

Answers = Sequence[str]
"""The value of each prediction, in data set order."""


class Conditions:
    """Answers of one model to the same samples under any alteration, and rows of metrics made of them.

    Attributes:
        main: the metric whose values everything but calibration is made of.
        modalities: what the samples have, whether the model reads it or not.
    """

    def __init__(
        self,
        run: Run,
        main: Metric,
        metrics: Mapping[str, Metric],
        batch_size: int,
        passed: Callable[[Alteration], None] = lambda _: None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            run: a loaded model and its samples.
            main: one of `metrics`.
            metrics: of which rows are made in every pass.
            batch_size: samples at a time.
            passed: told of every alteration that was asked.
        """
        self.main = main
        self.modalities = run.task.card.modalities_of(run.dataset)
        self._run = run
        self._metrics = metrics
        self._passed = passed
        self._asking = Asking(run.task, batch_size, run.workers, str(run.device))
        self._known: dict[Alteration, tuple[Finished, Answers]] = {}
        self._groups: NDArray[Any] | None = None

    @property
    def model(self) -> Model:
        """The model that is asked."""
        return self._run.model

    @property
    def samples(self) -> Dataset:
        """The samples as they are."""
        return self._run.samples

    @property
    def reads(self) -> list[str]:
        """Modalities of the samples that the model reads, in the samples' order."""
        return [m for m in self.modalities if m in self.model.modalities]

    @property
    def asking(self) -> Asking:
        """How the model is asked."""
        return self._asking

    def effective(self, alteration: Alteration) -> Alteration:
        """What is left of an alteration where modalities that the model does not read do not matter."""
        read = self.model.modalities
        left = Alteration(
            drop=tuple(m for m in alteration.drop if m in read),
            shuffle=tuple(m for m in alteration.shuffle if m in read),
            noise=tuple(noise for noise in alteration.present_noise if noise[0] in read),
            seed=alteration.seed,
        )
        return left if left.is_random else replace(left, seed=0)

    def rows(self, alteration: Alteration) -> Finished:
        """Rows under an alteration.

        Raises:
            HarnessError: a sample cannot be read, answered or scored.
        """
        return self._passed_under(alteration)[0]

    def answers(self, alteration: Alteration = CLEAN) -> Answers:
        """What the model answers under an alteration; raises as `rows` does."""
        return self._passed_under(alteration)[1]

    def _passed_under(self, alteration: Alteration) -> tuple[Finished, Answers]:
        wanted = self.effective(alteration)
        if wanted not in self._known:
            self.groups()  # before a pass: it says which sample cannot be made
            samples = altered(self.samples, wanted)
            rows, positions, answers = self._asking.rows(self.model, self._metrics, samples)
            order = np.argsort(positions, kind="stable").tolist()
            sorted_rows = {prefix: [listed[place] for place in order] for prefix, listed in rows.items()}
            self._known[wanted] = finished(self._metrics, [sorted_rows]), [answers[place] for place in order]
            self._passed(wanted)
        return self._known[wanted]

    def main_rows(self, alteration: Alteration = CLEAN) -> Columns:
        """Rows of the main metric under an alteration."""
        return self.rows(alteration)[self.main.prefix]

    def score(self, predictions: Sequence[Prediction], positions: Sequence[int] | None = None) -> Columns:
        """Rows of the main metric for given answers.

        Args:
            predictions: one for each of the samples.
            positions: of which samples; `None` for all.
        """
        samples = self.samples if positions is None else Subset(self.samples, positions)
        rows = [
            self._asking.score(self.main, prediction, samples[place]) for place, prediction in enumerate(predictions)
        ]
        return finished({self.main.name: self.main}, [{self.main.prefix: rows}])[self.main.prefix]

    def value(self, rows: Columns, metric: Metric | None = None, positions: Sequence[int] | None = None) -> Interval:
        """A metric, the main one unless told otherwise, of rows of all samples, or of those at `positions`."""
        metric = metric or self.main
        chosen = metric.selected(rows)
        groups = self.groups(positions)
        return interval(
            metric,
            metric.select(rows),
            groups if groups is None or chosen is None else groups[chosen],
            resamples=min(RESAMPLES, metric.resamples or RESAMPLES),
            seed=self._run.options.seed,
        )

    def changed(self, runs: Sequence[Columns], answers: Sequence[Answers]) -> int:
        """On how many samples that the main metric is about any run differs from the first, in answer or statistics.

        Args:
            runs: rows of each.
            answers: that these are of.
        """
        about = self._about(runs)
        given = np.array([list(each) for each in answers], dtype=object)
        if about is not None:
            runs, given = _chosen(runs, about), given[:, about]
        together = {column: np.concatenate([rows[column] for rows in runs]) for column in runs[0]}
        statistics = sparse.csr_array(self.main.statistics(together))
        n = statistics.shape[0] // len(runs)
        parts = [statistics[run * n : (run + 1) * n] for run in range(len(runs))]
        differ = [np.asarray(abs(part - parts[0]).sum(axis=1)) > 0 for part in parts[1:]]
        return int(np.count_nonzero(np.logical_or.reduce([*differ, *(given[1:] != given[0])])))

    def units(self, runs: Sequence[Columns], positions: Sequence[int] | None = None) -> int:
        """Among the samples that the main metric is about: clusters, and samples that stand alone.

        Args:
            runs: rows of each.
            positions: of which samples the rows are; `None` for all.
        """
        about, groups = self._about(runs), self.groups(positions)
        if groups is None:
            return len(next(iter(runs[0].values()))) if about is None else int(np.count_nonzero(about))
        names: list[str | None] = (groups if about is None else groups[about]).tolist()
        return names.count(None) + len(set(names) - {None})

    def _about(self, runs: Sequence[Columns]) -> NDArray[np.bool_] | None:
        """Which samples the main metric is about in all runs; `None` for all."""
        marks = [chosen for rows in runs if (chosen := self.main.selected(rows)) is not None]
        return np.logical_and.reduce(marks) if marks else None

    def contrasts(
        self, runs: Sequence[Columns], combine: Mapping[str, Combine], positions: Sequence[int] | None = None
    ) -> dict[str, Interval]:
        """Functions of the main metric's values in several runs over the same samples.

        Args:
            runs: rows of each.
            combine: by name: values [R, ...] -> [...].
            positions: of which samples the rows are; `None` for all.
        """
        about, groups = self._about(runs), self.groups(positions)
        if about is not None:
            runs = _chosen(runs, about)
            groups = None if groups is None else groups[about]
        return contrasts(
            self.main,
            runs,
            combine,
            groups,
            resamples=min(RESAMPLES, self.main.resamples or RESAMPLES),
            seed=self._run.options.seed,
        )

    def groups(self, positions: Sequence[int] | None = None) -> NDArray[Any] | None:
        """The cluster of each sample, `None` for one that stands alone; `None` where all do."""
        if self._groups is None:
            self._groups = np.array([sample.group for sample in self._each()], dtype=object)
        names = self._groups if positions is None else self._groups[list(positions)]
        return names if any(name is not None for name in names) else None

    def constant(self) -> tuple[str, Columns]:
        """The most frequent target of the samples, the first of equals, and the rows of giving it to every sample.

        Its scores are the logarithms of the targets' relative frequencies, over them and the model's labels.
        """
        counts = Counter(sample.label for sample in self._each())
        answer = counts.most_common(1)[0][0]
        labels = tuple(dict.fromkeys([*getattr(self.model, "labels", ()), *counts]))
        share = np.array([counts[label] for label in labels], dtype=np.float64) / counts.total()
        scores = np.full(len(labels), -np.inf, dtype=np.float32)
        np.log(share, out=scores, where=share > 0, casting="same_kind")
        return answer, self.score([Prediction(answer, scores, labels)] * len(self.samples))

    def _each(self) -> Iterator[Sample]:
        return (read_sample(self.samples, position) for position in range(len(self.samples)))


def _chosen(runs: Sequence[Columns], about: NDArray[np.bool_]) -> list[Columns]:
    return [{column: values[about] for column, values in rows.items()} for rows in runs]


def read_sample(samples: Dataset, position: int) -> Sample:
    """One sample, nothing of it decoded.

    Raises:
        HarnessError: it cannot be made.
    """
    try:
        return samples[position]
    except Exception as error:  # data may be broken in any way
        failure = Failure.of(position, f"#{position}", "load", error)
        raise HarnessError(f"sample {failure.id} cannot be read: {failure.reason}") from error
