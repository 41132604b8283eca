"""The quality pass: batches through the model, answers scored, failures by the policy, every batch to the journal."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from mmbench.engine.ask import ask_in_parts
from mmbench.engine.journal import Journal
from mmbench.engine.loader import Failure, Loaded, Plan, make_loader
from mmbench.engine.options import EvalOptions
from mmbench.engine.progress import EvalProgress
from mmbench.errors import HarnessError
from mmbench.metrics.metric import Metric
from mmbench.model import Model
from mmbench.sample import Dataset, Prediction, Sample
from mmbench.task import Task


@dataclass(frozen=True, slots=True)
class QualityPass:
    """All that scoring a batch takes."""

    task: Task
    model: Model
    metrics: Mapping[str, Metric]
    device: torch.device
    options: EvalOptions

    def run(self, dataset: Dataset, plan: Plan, workers: int, journal: Journal, progress: EvalProgress) -> None:
        """Score every planned batch that the journal does not hold yet.

        Raises:
            HarnessError: a sample failed under `on_error="fail"`, or more than `max_errors` did under `skip`.
        """
        numbers = [number for number in range(len(plan)) if number not in journal.done]
        progress.start(sum(len(plan[number]) for number in journal.done), len(dataset))
        failed = [Failure(*failure) for entry in journal.entries() for failure in entry["failures"]]
        errors = len(failed)
        self._check_policy(failed, errors)  # a resumed run may be stricter than the interrupted one was
        if not numbers:
            return
        on_gpu = self.device.type == "cuda"
        loader = make_loader(dataset, self.model, plan, numbers=numbers, workers=workers, pin_memory=on_gpu)
        with torch.inference_mode():
            start = perf_counter()
            for loaded in loader:
                scored = self._score(loaded, progress)
                errors += len(scored.failures)
                self._check_policy(scored.failures, errors)
                end = perf_counter()
                journal.append(scored.entry(end - start))
                start = end
                progress.advance(len(loaded.indices) + len(loaded.failures))

    def _score(self, loaded: Loaded, progress: EvalProgress) -> "_Scored":
        scored = _Scored(loaded.number, list(self.metrics), list(loaded.failures))
        if loaded.batch is None:
            return scored
        batch = loaded.batch.to(self.device, non_blocking=True)
        predictions = ask_in_parts(self.task, self.model, batch, progress.note)
        for index, sample, prediction in zip(loaded.indices, loaded.samples, predictions, strict=True):
            if isinstance(prediction, Exception):
                scored.failures.append(Failure.of(index, sample.id, "model", prediction))
                continue
            try:
                rows = [self.task.score(metric, prediction, sample) for metric in self.metrics.values()]
            except Exception as error:  # a metric may refuse a target in any way; the policy decides what follows
                scored.failures.append(Failure.of(index, sample.id, "score", error))
            else:
                scored.add(index, sample, prediction, rows)
        return scored

    def _check_policy(self, failures: list[Failure], errors: int) -> None:
        if not failures:
            return
        last = failures[-1]
        told = f"sample {last.id} failed at stage {last.stage}: {last.reason}"
        if self.options.on_error == "fail":
            raise HarnessError(f"{told}; --on-error skip leaves such samples unscored, --resume keeps what was scored")
        if self.options.max_errors is not None and errors > self.options.max_errors:
            raise HarnessError(
                f"{errors} samples failed, more than --max-errors {self.options.max_errors}; the last: {told}"
            )


class _Scored:
    """The outcome of one batch, column by column."""

    def __init__(self, number: int, metrics: list[str], failures: list[Failure]) -> None:
        self.number = number
        self.failures = failures
        self._metrics = metrics
        self._samples: list[tuple[int, Sample, str]] = []
        self._rows: list[list[tuple[Any, ...]]] = []

    def add(self, index: int, sample: Sample, prediction: Prediction, rows: list[tuple[Any, ...]]) -> None:
        """One scored sample with a row for each metric."""
        self._samples.append((index, sample, prediction.value))
        self._rows.append(rows)

    def entry(self, seconds: float) -> dict[str, Any]:
        """As the journal stores it."""
        return {
            "batch": self.number,
            "seconds": seconds,
            "index": [index for index, _, _ in self._samples],
            "id": [sample.id for _, sample, _ in self._samples],
            "group": [sample.group for _, sample, _ in self._samples],
            "meta": [dict(sample.meta) for _, sample, _ in self._samples],
            "target": [sample.target for _, sample, _ in self._samples],
            "prediction": [prediction for _, _, prediction in self._samples],
            "rows": dict(zip(self._metrics, zip(*self._rows, strict=True), strict=True)) if self._rows else {},
            "failures": [[f.index, f.id, f.stage, f.reason] for f in self.failures],
        }
