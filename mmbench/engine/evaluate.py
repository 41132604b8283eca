"""Evaluation: a model on a split of a data set, from names to a stored run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

from mmbench.adapter import TRANSPORT
from mmbench.engine.batch_size import find_batch_size
from mmbench.engine.cost import check_stages, measure_cost
from mmbench.engine.cost_options import CostOptions
from mmbench.engine.invariance import check_invariance
from mmbench.engine.journal import Journal, has_header
from mmbench.engine.load_run import Where, load_run
from mmbench.engine.loader import plan_batches
from mmbench.engine.options import EvalOptions
from mmbench.engine.policy import check_policy
from mmbench.engine.progress import EvalProgress
from mmbench.engine.quality import QualityPass
from mmbench.engine.run import Run, Timing, dataset_info, make_record, settings
from mmbench.engine.samples import read_outcome, scored
from mmbench.engine.unknown import unknown_targets
from mmbench.errors import HarnessError, UsageError, one_line
from mmbench.model import Classifies, Model, Remote
from mmbench.profile.memory import PeakMemory
from mmbench.profile.results import CostFailure, Passes
from mmbench.record.schema import RunRecord
from mmbench.record.store import Store, new_run_id

_NO_INFLUENCE = ("workers", "on_error", "max_errors", "cost", "stages")
"""Settings that may differ between an interrupted run and the one that goes on with it: no row depends on them."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished evaluation: its record and the folder where it is stored."""

    record: RunRecord
    folder: Path


def evaluate(
    model: str | Model,
    task: str,
    *,
    dataset: str | None = None,
    split: str | None = None,
    data: Path | str | None = None,
    stream: bool = False,
    weights: Path | None = None,
    options: EvalOptions | None = None,
    output: Path = Path("results"),
    resume: bool = False,
    progress: EvalProgress | None = None,
) -> Evaluation:
    """Evaluate a model and store the run.

    Args:
        model: name of a registered model or fusion, `SCHEME:ARGUMENT` of one from elsewhere, or a model itself.
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
    run = _keeping(
        load_run(
            model,
            task,
            Where(dataset, split, data if data is None else Path(data), stream),
            weights,
            options or EvalOptions(),
        )
    )
    check_stages(run.model, run.options.stages)
    load_s = perf_counter() - start
    with _open_journal(run, output, resume, progress) as journal:
        memory = PeakMemory(run.device)
        folder = store.folder(task, run.dataset.name, run.model.name, journal.header["run_id"])
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
            run.model,
            run.task,
            run.samples,
            run.device,
            batch_size,
            positions,
            0 if isinstance(run.model, Remote) else run.options.invariance,
        )
        wall_s = perf_counter() - start
        passes = _passes(run, batch_size, progress)
        record = make_record(
            run,
            outcome,
            run_id=journal.header["run_id"],
            created=datetime.fromisoformat(journal.header["created"]),
            timing=Timing(load_s, wall_s, peak_bytes, memory.method, passes, perf_counter() - start - wall_s),
            settings=settings(run, batch_size) | {"checks": {"batch_invariance": invariance}},
        )
        folder = store.save(record, outcome.table)
        journal.remove()
    return Evaluation(record, folder)


def _keeping(run: Run) -> Run:
    """The run, with it decided whether scores are kept.

    Raises:
        UsageError: they must be, and the model has none.
    """
    asked = run.options.keep_scores
    has = "classify" in run.task.card.abilities and isinstance(run.model, Classifies)
    if asked is True and not has:
        raise UsageError(
            f"--keep-scores needs a model that classifies; {run.model.name!r} does not, so it has no scores to keep"
        )
    return replace(run, options=replace(run.options, keep_scores=bool(asked) and has))


def _passes(run: Run, batch_size: int, progress: EvalProgress) -> Passes:
    """What the cost passes find; their failing as a whole is a result too, since the scores are made."""
    if run.options.cost == "off" or isinstance(run.model, Remote):
        return Passes()
    options = CostOptions(run.options.cost, stages=run.options.stages)
    try:
        return measure_cost(run, batch_size, options, progress)[0]
    except Exception as error:  # of foreign code, or of a device without memory for the input
        return Passes(failures=[CostFailure(name="all", reason=one_line(error))])


def _deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration may change an answer."""
    return {name: value for name, value in config.items() if name != TRANSPORT}


def _open_journal(run: Run, output: Path, resume: bool, progress: EvalProgress) -> Journal:
    """The journal of this very evaluation: its name is a hash of all that may change a row."""
    identity = {
        "task": run.task.card.name,
        "dataset": dataset_info(run).model_dump(),
        "model": run.model.name,
        "weights": run.loaded.sha256,
        "config": _deciding(run.loaded.config),
        "settings": {k: v for k, v in settings(run, run.options.batch_size).items() if k not in _NO_INFLUENCE},
    }
    digest = sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    path = output / ".journal" / f"{digest[:24]}.jsonl"
    interrupted = has_header(path)
    batch_size = run.options.batch_size
    if batch_size == "auto" and isinstance(run.model, Remote):
        batch_size = EvalOptions().batch_size  # nothing to find out: the other machine decides how fast it is
    elif batch_size == "auto" and not (resume and interrupted):
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
