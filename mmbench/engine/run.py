"""One evaluation in parts, and the record made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import torch
from torch import nn

from mmbench.adapter import LoadedModel
from mmbench.data.card import DatasetCard
from mmbench.engine.options import EvalOptions
from mmbench.engine.samples import Outcome, scored
from mmbench.engine.values import breakdowns, details, metric_values
from mmbench.metrics.metric import Metric, protocol_of
from mmbench.model import Model
from mmbench.profile.results import Passes
from mmbench.record.cost import Cost, Memory, Throughput
from mmbench.record.environment import capture
from mmbench.record.schema import (
    DatasetInfo,
    Failure,
    ModelInfo,
    RunRecord,
    WeightsInfo,
)
from mmbench.registry import plugin_hashes
from mmbench.sample import Dataset
from mmbench.task import Task

_LONG = 10_000
"""Characters; a longer text of a configuration (a tokenizer) is in the weights, and a record tells its hash."""


@dataclass(frozen=True, slots=True)
class Run:
    """The parts of one evaluation, resolved and loaded.

    Attributes:
        samples: what the model is asked about, altered where the options say so.
        unaltered: the same samples as they were, of which cost is measured.
    """

    task: Task
    dataset: DatasetCard
    split: str
    revision: str
    samples: Dataset
    unaltered: Dataset
    loaded: LoadedModel
    metrics: Mapping[str, Metric]
    options: EvalOptions
    device: torch.device
    workers: int
    stream: bool = False

    @property
    def model(self) -> Model:
        """The model that is asked."""
        return self.loaded.model


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds and bytes of a run as a whole, and what the cost passes after it found."""

    load_s: float
    wall_s: float
    peak_bytes: int
    memory_method: str
    passes: Passes
    passes_s: float


def make_record(
    run: Run, outcome: Outcome, *, run_id: str, created: datetime, timing: Timing, settings: dict[str, Any]
) -> RunRecord:
    """The record of a finished run."""
    table = scored(outcome.table)
    return RunRecord(
        run_id=run_id,
        created=created,
        task=run.task.card.name,
        main_metric=next(iter(run.metrics)),
        dataset=dataset_info(run),
        model=model_info(run.loaded),
        metrics=metric_values(run.metrics, table, run.options.seed),
        breakdowns=breakdowns(run.metrics, table, run.task.card.breakdowns, run.options.seed),
        details=details(run.metrics, table),
        cost=Cost(
            throughput=_throughput(outcome, "audio" in run.model.modalities),
            memory=Memory(peak_bytes=timing.peak_bytes, method=timing.memory_method),
            load_s=timing.load_s,
            wall_s=timing.wall_s,
            usage=outcome.usage,
            passes_s=timing.passes_s,
            **dict(timing.passes),
        ),
        failures=[Failure(id=f.id, stage=f.stage, reason=f.reason) for f in outcome.failures],
        environment=capture(),
        settings=settings,
    )


def dataset_info(run: Run) -> DatasetInfo:
    """What the run is about."""
    return DatasetInfo(
        name=run.dataset.name,
        revision=run.revision,
        split=run.split,
        n=len(run.samples),
        limit=run.options.limit,
    )


def settings(run: Run, batch_size: int | str) -> dict[str, Any]:
    """How the run is done, as far as it may change a row."""
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
        "cost": options.cost,
        "stages": dict(options.stages),
        "keep_scores": options.keep_scores,
        "alteration": options.alteration.to_json(),
        "protocol": protocol_of(run.metrics),
        "metrics": {name: metric.settings() for name, metric in run.metrics.items()},
        "plugins": plugin_hashes(),
    }


def model_info(loaded: LoadedModel) -> ModelInfo:
    """What the model is."""
    config = {**loaded.config, "training": loaded.training} if loaded.training else loaded.config
    return ModelInfo(
        name=loaded.model.name,
        config={name: _shortened(value) for name, value in config.items()},
        parameters=_parameters(loaded),
        modalities=list(loaded.model.modalities),
        weights=WeightsInfo(source=loaded.source, sha256=loaded.sha256) if loaded.source and loaded.sha256 else None,
    )


def _parameters(loaded: LoadedModel) -> int | None:
    """As its adapter tells, else as they are counted; `None` of what is no module of PyTorch."""
    if loaded.parameters is not None or not isinstance(loaded.model, nn.Module):
        return loaded.parameters
    return sum(parameter.numel() for parameter in loaded.model.parameters())


def _shortened(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, str) and len(value) > _LONG:
        return {"sha256": sha256(value.encode()).hexdigest()}
    return value


def _throughput(outcome: Outcome, hears: bool) -> Throughput:
    seconds = sum(outcome.batch_s)
    audio_s = None
    if hears and "duration" in outcome.table.column_names:
        audio_s = sum(length or 0.0 for length in outcome.table["duration"].to_pylist())
    return Throughput(
        samples_per_s=outcome.table.num_rows / seconds,
        audio_s=audio_s,
        real_time_factor=None if audio_s is None else audio_s / seconds,
        batch_s=outcome.batch_s,
    )
