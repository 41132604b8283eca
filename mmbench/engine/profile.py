"""Cost alone: a model on a task's data, from names to a stored profile."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmbench.engine.batch_size import find_batch_size
from mmbench.engine.cost import check_stages, measure_cost
from mmbench.engine.cost_options import CostOptions
from mmbench.engine.load_run import Where, load_run
from mmbench.engine.options import EvalOptions
from mmbench.engine.progress import EvalProgress
from mmbench.engine.run import Run, dataset_info, model_info, settings
from mmbench.errors import HarnessError, UsageError, one_line
from mmbench.model import Remote
from mmbench.record.environment import capture
from mmbench.record.profile import ProfileRecord
from mmbench.record.store import Store, new_run_id

_MEASURED = ("model_throughput", "latency", "stages", "flops", "model_memory")
"""Passes of which every model gives at least one."""


@dataclass(frozen=True, slots=True)
class Profiled:
    """A finished profile: its record and the folder where it is stored."""

    record: ProfileRecord
    folder: Path


def profile(
    model: str,
    task: str,
    *,
    where: Where | None = None,
    weights: Path | None = None,
    options: EvalOptions | None = None,
    cost: CostOptions | None = None,
    output: Path = Path("results"),
    progress: EvalProgress | None = None,
) -> Profiled:
    """Measure what a model costs and store the profile.

    Args:
        model: name of a registered model or fusion.
        task: name of the task.
        where: which data; the task's default data set if `None`.
        weights: a file written by `train`; if `None`, what was trained here, else what an installed package ships.
        options: how to run; nothing is scored, so metrics and their protocol do not matter.
        cost: which passes.
        output: root of the store.
        progress: told which pass runs.

    Raises:
        UsageError: a name, an option or a file is wrong; nothing was run or written.
        HarnessError: nothing could be measured, or the profile cannot be written.
    """
    options, cost, progress = options or EvalOptions(), cost or CostOptions("full"), progress or EvalProgress()
    store = Store(output)
    store.check_writable()
    run = load_run(model, task, where or Where(), weights, options)
    if isinstance(run.model, Remote):
        raise UsageError(
            f"{run.model.name!r} answers on another machine, whose cost cannot be measured here; `mmbench eval` tells "
            "what its requests took"
        )
    check_stages(run.model, cost.stages)
    _check_sizes(run, cost.batch_sizes)
    batch_size = options.batch_size
    if batch_size == "auto":
        batch_size = find_batch_size(run.model, run.task, run.samples, run.device)
        progress.note(f"batch size: {batch_size}")
    elif batch_size > len(run.samples):
        raise UsageError(f"--batch-size {batch_size} is above the {len(run.samples):,} samples that there are")
    created = datetime.now(UTC)
    try:
        passes, write_trace = measure_cost(run, batch_size, cost, progress)
    except RuntimeError as error:  # no memory for the input, or a device that has failed
        raise HarnessError(f"nothing could be measured: {one_line(error)}") from error
    record = ProfileRecord(
        run_id=new_run_id(created),
        created=created,
        task=run.task.card.name,
        dataset=dataset_info(run),
        model=model_info(run.loaded),
        cost=passes,
        environment=capture(),
        settings=_settings(run, batch_size, cost),
    )
    folder = store.save_profile(record, write_trace)
    if passes.failures and not any(getattr(passes, name) for name in _MEASURED):
        first = passes.failures[0]
        raise HarnessError(f"nothing could be measured; {first.name.replace('_', ' ')} failed: {first.reason}")
    return Profiled(record, folder)


def _check_sizes(run: Run, sizes: tuple[int, ...]) -> None:
    for size in sizes:
        if size > len(run.samples):
            raise UsageError(f"--batch-sizes: {size} is above the {len(run.samples):,} samples that there are")


def _settings(run: Run, batch_size: int, cost: CostOptions) -> dict[str, Any]:
    """How the run was done, as far as it may change a cost."""
    shared = ("batch_size", "device", "dtype", "workers", "threads", "seed", "plugins")
    found = settings(run, batch_size)
    return {name: found[name] for name in shared} | {"cost": {**asdict(cost), "batch_sizes": list(cost.batch_sizes)}}
