"""Evaluation: a model on a split of a data set, from names to a stored run."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import perf_counter

import torch
from torch import nn

from mmbench.engine.batch_size import find_batch_size
from mmbench.engine.invariance import check_invariance
from mmbench.engine.journal import Journal, has_header
from mmbench.engine.loader import default_threads, default_workers, plan_batches
from mmbench.engine.models import load_model
from mmbench.engine.options import EvalOptions
from mmbench.engine.policy import check_policy
from mmbench.engine.progress import EvalProgress
from mmbench.engine.quality import QualityPass
from mmbench.engine.resolve import metrics_for, resolve_dataset, resolve_metrics, resolve_task, revision_of
from mmbench.engine.run import Run, Timing, dataset_info, make_record, settings
from mmbench.engine.samples import read_outcome, scored
from mmbench.engine.unknown import unknown_targets
from mmbench.errors import HarnessError, UsageError
from mmbench.profile.device import pick_device
from mmbench.profile.memory import PeakMemory
from mmbench.record.schema import RunRecord
from mmbench.record.store import Store, new_run_id
from mmbench.sample import head
from mmbench.task import check_fit

_NO_INFLUENCE = ("workers", "on_error", "max_errors")
"""Settings that may differ between an interrupted run and the one that goes on with it: no row depends on them."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished evaluation: its record and the folder where it is stored."""

    record: RunRecord
    folder: Path


def evaluate(
    model: str,
    task: str,
    *,
    dataset: str | None = None,
    split: str | None = None,
    data: Path | None = None,
    stream: bool = False,
    weights: Path | None = None,
    options: EvalOptions | None = None,
    output: Path = Path("results"),
    resume: bool = False,
    progress: EvalProgress | None = None,
) -> Evaluation:
    """Evaluate a model and store the run.

    Args:
        model: name of a registered model or fusion.
        task: name of the task.
        dataset: name of one of the task's data sets; its default one if `None`.
        split: the data set's default one if `None`.
        data: where the files of the data set are, if not where its card says.
        stream: read the data set from the hub as it comes, without downloading all of it first.
        weights: a file written by `train`; if `None`, what was trained here, else what an installed package ships.
        options: how to run.
        output: root of the store; an interrupted run's journal lies there too.
        resume: go on with an interrupted run of the same evaluation, if there is one.
        progress: told how far the run is.

    Raises:
        UsageError: a name, an option or a file is wrong; nothing was run or written.
        HarnessError: the run could not be finished; no record was written.
    """
    start = perf_counter()
    progress = progress or EvalProgress()
    store = Store(output)
    store.check_writable()
    where = _Where(dataset, split, data, stream)
    run = _load(model, task, where, weights, options or EvalOptions())
    load_s = perf_counter() - start
    with _open_journal(run, output, resume, progress) as journal:
        memory = PeakMemory(run.device)
        folder = store.folder(task, run.dataset.name, model, journal.header["run_id"])
        if folder.exists():  # killed after the run was stored and before its journal was removed
            journal.remove()
            return Evaluation(store.load(folder), folder)
        batch_size: int = journal.header["batch_size"]
        plan = plan_batches(run.samples, run.model, batch_size, in_order=stream)
        QualityPass(run.task, run.model, run.metrics, run.device, run.options).run(
            run.samples, plan, run.workers, journal, progress
        )
        outcome = read_outcome(journal.entries(), run.metrics)
        peak_bytes = memory.read()
        # Samples that only turn out to be unscorable when all are there; the pass has seen to the others.
        check_policy(outcome.failures, len(outcome.failures), run.options)
        done = scored(outcome.table)
        positions = done["index"].to_numpy()
        if not len(positions):
            first = outcome.failures[0]
            journal.remove()
            raise HarnessError(f"no sample could be scored; {first.id} failed at stage {first.stage}: {first.reason}")
        if note := unknown_targets(done["target"].to_pylist(), run.model):
            progress.note(note)
        invariance = check_invariance(
            run.model, run.task, run.samples, run.device, batch_size, positions, run.options.invariance
        )
        record = make_record(
            run,
            outcome,
            run_id=journal.header["run_id"],
            created=datetime.fromisoformat(journal.header["created"]),
            timing=Timing(load_s, perf_counter() - start, peak_bytes, memory.method),
            settings=settings(run, batch_size) | {"checks": {"batch_invariance": invariance}},
        )
        folder = store.save(record, outcome.table)
        journal.remove()
    return Evaluation(record, folder)


@dataclass(frozen=True, slots=True)
class _Where:
    """Which data; see `evaluate`."""

    dataset: str | None
    split: str | None
    data: Path | None
    stream: bool


def _load(
    model_name: str,
    task_name: str,
    where: _Where,
    weights: Path | None,
    options: EvalOptions,
) -> Run:
    """Resolve every name and load every part, cheapest refusals first."""
    task = resolve_task(task_name)
    dataset = resolve_dataset(task, where.dataset, where.data, stream=where.stream)
    metrics = resolve_metrics(task, dataset, options.metrics, options.protocol)
    split = where.split or dataset.default_split
    dataset.check_split(split)
    device = pick_device(options.device)
    # A stream is read in order: each of several workers would have to read all of it.
    workers = options.workers if options.workers is not None else 0 if where.stream else default_workers()
    torch.set_num_threads(options.threads or default_threads(workers))
    torch.manual_seed(options.seed)
    loaded = load_model(model_name, task.card.name, dataset.name, weights)
    check_fit(task.card, dataset, loaded.model)
    metrics = metrics_for(loaded.model, metrics, options.metrics)
    if isinstance(loaded.model, nn.Module):
        loaded.model.to(device=device, dtype=getattr(torch, options.dtype)).eval()
    samples = task.load(dataset, split)
    revision = revision_of(dataset, samples)
    samples = head(samples, options.limit)
    if not len(samples):
        raise UsageError(f"{dataset.name} {split} has no samples")
    return Run(task, dataset, split, revision, samples, loaded, metrics, options, device, workers)


def _open_journal(run: Run, output: Path, resume: bool, progress: EvalProgress) -> Journal:
    """The journal of this very evaluation: its name is a hash of all that may change a row."""
    identity = {
        "task": run.task.card.name,
        "dataset": dataset_info(run).model_dump(),
        "model": run.model.name,
        "weights": run.loaded.sha256,
        "settings": {k: v for k, v in settings(run, run.options.batch_size).items() if k not in _NO_INFLUENCE},
    }
    digest = sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    path = output / ".journal" / f"{digest[:24]}.jsonl"
    interrupted = has_header(path)
    batch_size = run.options.batch_size
    if batch_size == "auto" and not (resume and interrupted):
        batch_size = find_batch_size(run.model, run.task, run.samples, run.device)
        progress.note(f"batch size: {batch_size}")
    created = datetime.now(UTC)
    header = {"run_id": new_run_id(created), "created": created.isoformat(), "batch_size": batch_size}
    journal = Journal(path, header, resume=resume)  # refuses if another process holds it, so notes come after
    if resume and not interrupted:
        progress.note("nothing to resume: no interrupted run of this evaluation is here; starting from the beginning")
    elif interrupted and not resume:
        progress.note("an interrupted run of this evaluation is started over; --resume would have gone on with it")
    return journal
