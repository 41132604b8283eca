"""The quality pass: batches through the model, answers scored, failures by the policy, every batch to the journal."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import torch

from mmbench.engine.ask import ask_in_parts
from mmbench.engine.journal import Journal
from mmbench.engine.loader import Failure, Loaded, Plan, make_loader
from mmbench.engine.options import EvalOptions
from mmbench.engine.policy import check_policy
from mmbench.engine.progress import EvalProgress
from mmbench.engine.scored import ScoredBatch
from mmbench.metrics.metric import Metric, families
from mmbench.model import Model, Remote
from mmbench.profile.usage import Usage
from mmbench.sample import Dataset
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
        check_policy(failed, errors, self.options)  # a resumed run may be stricter than the interrupted one was
        if not numbers:
            return
        on_gpu = self.device.type == "cuda"
        loader = make_loader(
            dataset,
            self.model,
            plan,
            numbers=numbers,
            workers=workers,
            pin_memory=on_gpu,
            keep_inputs=any(metric.reads_inputs for metric in self.metrics.values()),
        )
        with torch.inference_mode():
            start, spent = perf_counter(), self._spent()
            for loaded in loader:
                scored = self._score(loaded, progress)
                errors += len(scored.failures)
                check_policy(scored.failures, errors, self.options)
                end = perf_counter()
                usage = self._spent()
                told = {} if usage is None or spent is None else {"usage": usage.since(spent).model_dump()}
                journal.append(scored.entry(end - start) | told)
                start, spent = end, usage
                progress.advance(len(loaded.indices) + len(loaded.failures))

    def _spent(self) -> Usage | None:
        """Until now, of a model that answers on another machine."""
        return self.model.usage() if isinstance(self.model, Remote) else None

    def _score(self, loaded: Loaded, progress: EvalProgress) -> ScoredBatch:
        scored = ScoredBatch(
            loaded.number,
            self.task,
            families(self.metrics),
            list(loaded.failures),
            keep_scores=self.options.keep_scores is True,
        )
        if loaded.batch is None:
            return scored
        batch = loaded.batch.to(self.device, non_blocking=True)
        predictions = ask_in_parts(self.task, self.model, batch, progress.note)
        for index, sample, prediction in zip(loaded.indices, loaded.samples, predictions, strict=True):
            if isinstance(prediction, Exception):
                scored.failures.append(Failure.of(index, sample.id, "model", prediction))
            else:
                scored.score(index, sample, prediction)
        return scored
