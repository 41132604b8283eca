"""Evaluation: a model on a split of a data set, from names to a stored record."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import nn

from mmbench.data.card import DatasetCard
from mmbench.engine.batch_size import find_batch_size
from mmbench.engine.invariance import check_invariance
from mmbench.engine.journal import Journal
from mmbench.engine.loader import default_threads, default_workers, plan_batches
from mmbench.engine.models import LoadedModel, load_model
from mmbench.engine.options import EvalOptions
from mmbench.engine.progress import EvalProgress
from mmbench.engine.quality import QualityPass
from mmbench.engine.resolve import resolve_dataset, resolve_task
from mmbench.engine.samples import groups, metric_rows, samples_table, scored
from mmbench.errors import HarnessError
from mmbench.metrics.metric import Metric
from mmbench.profile.device import pick_device
from mmbench.profile.memory import PeakMemory
from mmbench.record.environment import capture
from mmbench.record.schema import (
    Cost,
    DatasetInfo,
    Failure,
    Memory,
    MetricValue,
    ModelInfo,
    RunRecord,
    Throughput,
    WeightsInfo,
)
from mmbench.record.store import Store, new_run_id
from mmbench.registry import registry
from mmbench.sample import Dataset, Subset
from mmbench.stats.intervals import intervals
from mmbench.task import Task, check_fit


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished evaluation: its record and the folder where it is stored."""

    record: RunRecord
    folder: Path


@dataclass(frozen=True, slots=True)
class _Run:
    """The parts of one evaluation, resolved and loaded."""

    task: Task
    dataset: DatasetCard
    split: str
    samples: Dataset
    loaded: LoadedModel
    metrics: Mapping[str, Metric]
    options: EvalOptions
    device: torch.device
    workers: int
    plugins: tuple[Path, ...]


def evaluate(
    model: str,
    task: str,
    *,
    dataset: str | None = None,
    split: str | None = None,
    weights: Path | None = None,
    options: EvalOptions | None = None,
    output: Path = Path("results"),
    resume: bool = False,
    plugins: tuple[Path, ...] = (),
    progress: EvalProgress | None = None,
) -> Evaluation:
    """Evaluate a model and store the run.

    Args:
        model: name of a registered model or fusion.
        task: name of the task.
        dataset: name of one of the task's data sets; its default one if `None`.
        split: the data set's default one if `None`.
        weights: a file written by `train`; if `None`, what was trained here, else what an installed package ships.
        options: how to run.
        output: root of the store; an interrupted run's journal lies there too.
        resume: go on with an interrupted run of the same evaluation, if there is one.
        plugins: files already loaded that the run depends on; the record keeps their hashes.
        progress: told how far the run is.

    Raises:
        UsageError: a name, an option or a file is wrong; nothing was run or written.
        HarnessError: the run could not be finished; no record was written.
    """
    start = perf_counter()
    progress = progress or EvalProgress()
    store = Store(output)
    store.check_writable()
    run = _load(model, task, dataset, split, weights, options or EvalOptions(), plugins)
    load_s = perf_counter() - start
    memory = PeakMemory(run.device)
    with _open_journal(run, output, resume, progress) as journal:
        batch_size: int = journal.header["batch_size"]
        plan = plan_batches(run.samples, run.loaded.model, batch_size)
        quality = QualityPass(run.task, run.loaded.model, run.metrics, run.device, run.options)
        quality.run(run.samples, plan, run.workers, journal, progress)
        peak = memory.read()
        table = samples_table(journal.entries(), run.metrics)
        if not scored(table).num_rows:
            first = next(failure for entry in journal.entries() for failure in entry["failures"])
            raise HarnessError(f"no sample could be scored; {first[1]} failed at stage {first[2]}: {first[3]}")
        checked = {}
        if run.options.invariance and not table.num_rows > scored(table).num_rows:
            checked["batch_invariance"] = check_invariance(
                run.loaded.model, run.task, run.samples, run.device, batch_size, run.options.invariance
            )
        batch_s = [entry["seconds"] for entry in journal.entries()]
        failures = [Failure(id=f[1], stage=f[2], reason=f[3]) for entry in journal.entries() for f in entry["failures"]]
        record = RunRecord(
            run_id=journal.header["run_id"],
            created=datetime.fromisoformat(journal.header["created"]),
            task=run.task.card.name,
            main_metric=run.task.card.main_metric,
            dataset=_dataset_info(run),
            model=_model_info(run.loaded),
            metrics=_metrics(run, scored(table)),
            breakdowns=_breakdowns(run, scored(table)),
            cost=Cost(
                throughput=Throughput(samples_per_s=table.num_rows / sum(batch_s), batch_s=batch_s),
                latency=None,
                stages=None,
                memory=Memory(peak_bytes=peak, method=memory.method),
                load_s=load_s,
                wall_s=perf_counter() - start,
            ),
            failures=failures,
            environment=capture(),
            settings=_settings(run, batch_size) | {"checks": checked},
        )
        folder = store.save(record, table)
        journal.remove()
    return Evaluation(record, folder)


def _load(
    model: str,
    task_name: str,
    dataset_name: str | None,
    split: str | None,
    weights: Path | None,
    options: EvalOptions,
    plugins: tuple[Path, ...],
) -> _Run:
    """Resolve every name and load every part, cheapest refusals first."""
    task = resolve_task(task_name)
    dataset = resolve_dataset(task, dataset_name)
    split = split or dataset.default_split
    dataset.check_split(split)
    device = pick_device(options.device)
    workers = default_workers() if options.workers is None else options.workers
    torch.set_num_threads(options.threads or default_threads(workers))
    torch.manual_seed(options.seed)
    loaded = load_model(model, task.card.name, dataset.name, weights)
    check_fit(task.card, loaded.model)
    if isinstance(loaded.model, nn.Module):
        loaded.model.to(device=device, dtype=getattr(torch, options.dtype)).eval()
    samples = task.load(dataset, split)
    if options.limit is not None:
        samples = Subset(samples, range(min(options.limit, len(samples))))
    metrics = {name: registry.load("metric", name)() for name in task.card.metrics}
    return _Run(task, dataset, split, samples, loaded, metrics, options, device, workers, plugins)


def _open_journal(run: _Run, output: Path, resume: bool, progress: EvalProgress) -> Journal:
    """The journal of this very evaluation: its name is a hash of all that may change a row."""
    identity = json.dumps(
        {
            "dataset": _dataset_info(run).model_dump(),
            "task": run.task.card.name,
            "model": run.loaded.model.name,
            "weights": run.loaded.sha256,
            "settings": _settings(run, run.options.batch_size),
        },
        sort_keys=True,
    )
    name = f"{run.task.card.name}-{run.loaded.model.name}-{sha256(identity.encode()).hexdigest()[:16]}.jsonl"
    path = output / ".journal" / name.replace("/", "-")
    if resume and not path.is_file():
        progress.note("nothing to resume: no interrupted run of this evaluation was found; starting from the beginning")
    elif path.is_file() and not resume:
        progress.note(
            "an interrupted run of this evaluation is being started over; --resume would have gone on with it"
        )
    batch_size = run.options.batch_size
    if batch_size == "auto" and not (resume and path.is_file()):
        batch_size = find_batch_size(run.loaded.model, run.task, run.samples, run.device)
    created = datetime.now(UTC)
    header = {"run_id": new_run_id(created), "created": created.isoformat(), "batch_size": batch_size}
    return Journal(path, header, resume=resume)


def _dataset_info(run: _Run) -> DatasetInfo:
    return DatasetInfo(
        name=run.dataset.name,
        revision=run.dataset.revision,
        split=run.split,
        n=len(run.samples),
        limit=run.options.limit,
    )


def _model_info(loaded: LoadedModel) -> ModelInfo:
    parameters = loaded.model.parameters() if isinstance(loaded.model, nn.Module) else ()
    return ModelInfo(
        name=loaded.model.name,
        config={**loaded.config, "training": loaded.training},
        parameters=sum(parameter.numel() for parameter in parameters),
        weights=WeightsInfo(source=loaded.source, sha256=loaded.sha256),
    )


def _settings(run: _Run, batch_size: int | str) -> dict[str, Any]:
    options = run.options
    return {
        "batch_size": batch_size,
        "device": str(run.device),
        "dtype": options.dtype,
        "workers": run.workers,
        "threads": torch.get_num_threads(),
        "seed": options.seed,
        "on_error": options.on_error,
        "max_errors": options.max_errors,
        "plugins": {path.name: sha256(path.read_bytes()).hexdigest() for path in run.plugins},
    }


def _metrics(run: _Run, table: pa.Table) -> dict[str, MetricValue]:
    """Every metric with its interval, over the rows of `table`."""
    rows = {name: metric_rows(table, metric) for name, metric in run.metrics.items()}
    found = intervals(run.metrics, rows, groups(table), seed=run.options.seed)
    return {
        name: MetricValue(
            value=interval.value,
            low=interval.low,
            high=interval.high,
            level=interval.level,
            n=interval.n,
            method=interval.method,
            higher_is_better=run.metrics[name].higher_is_better,
        )
        for name, interval in found.items()
    }


def _breakdowns(run: _Run, table: pa.Table) -> dict[str, dict[str, dict[str, MetricValue]]]:
    """The metrics again for each value of the keys by which the task wants them split."""
    found = {}
    for key in run.task.card.breakdowns:
        column = f"meta.{key}"
        if column in table.column_names:
            values = sorted(value for value in table[column].unique().to_pylist() if value is not None)
            found[key] = {v: _metrics(run, table.filter(pc.equal(table[column], v))) for v in values}
    return found
