"""How measurements went over time: series from stored records, or from a history, with their changes of level."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mmbench.errors import UsageError, unknown_name
from mmbench.gate.checkout import short_name
from mmbench.gate.formats.history import read_history
from mmbench.leaderboard.select import Selection
from mmbench.record.schema import RunRecord
from mmbench.record.store import Store
from mmbench.stats.change_points import ChangePoint, change_points

_COSTS: Mapping[str, Callable[[RunRecord], float | None]] = {
    "throughput": lambda run: (
        run.cost.model_throughput.samples_per_s.value if run.cost and run.cost.model_throughput else None
    ),
    "latency": lambda run: run.cost.latency.p50_s.value if run.cost and run.cost.latency else None,
    "memory": lambda run: run.cost.memory.peak_bytes if run.cost else None,
}
_UNITS = {
    "throughput": "samples/s",
    "latency": "s",
    "data": "s/batch",
    "memory": "bytes",
    "flops": "FLOP/sample",
    "parameters": "parameters",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement; `label` is the commit, where it is known, else the run."""

    time: datetime
    label: str
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one workload over time.

    Attributes:
        unit: empty for a quality.
        changes: of its level, in order; `index` is a position in `points`.
    """

    workload: str
    metric: str
    unit: str
    points: tuple[Point, ...]
    changes: tuple[ChangePoint, ...]


def series_in(paths: Sequence[Path], selection: Selection, metrics: Sequence[str] = ()) -> list[Series]:
    """The series in folders of runs, record files and histories (`.csv`), by workload and metric.

    Args:
        paths: where they are.
        selection: of the records; a history is taken whole, and since its rows do not tell the machine, one file is to
            hold those of one kind of machine.
        metrics: only these, if any are named.

    Raises:
        UsageError: there is nothing, no such metric, or a selection where there are no records.
    """
    histories = [path for path in paths if path.suffix == ".csv"]
    folders = [path for path in paths if path.suffix != ".csv"]
    if selection != Selection() and not folders:
        raise UsageError("a history is taken whole: only records can be chosen by task, data set, split or model")
    records = [record for _, record in Store(Path()).find(folders)] if folders else []
    points: dict[tuple[str, str], list[Point]] = {}
    for workload, metric, point in [*_of_records(selection.apply(records) if records else []), *_of(histories)]:
        points.setdefault((workload, metric), []).append(point)
    known = {metric for _, metric in points}
    for metric in metrics:
        if metric not in known:
            raise unknown_name("metric here:", metric, known)
    if not points:
        raise UsageError(
            "there are no measurements: give folders of runs, or a history of `mmbench gate --report history=FILE.csv`"
        )
    return [_series(*key, found) for key, found in points.items() if not metrics or key[1] in metrics]


def _series(workload: str, metric: str, found: Sequence[Point]) -> Series:
    points = tuple(sorted(found, key=lambda point: point.time))
    changes = change_points([point.value for point in points])
    return Series(workload, metric, _UNITS.get(metric, ""), points, tuple(changes))


def _of_records(records: Iterable[RunRecord]) -> Iterable[tuple[str, str, Point]]:
    """What is comparable over time: the same model on the same samples on the same kind of device."""
    for run in records:
        data = run.dataset
        limit = "" if data.limit is None else f", first {data.limit:,}"
        how = ", ".join(f"{run.settings[key]}" for key in ("device", "dtype") if key in run.settings)
        batch = f", batch {run.settings['batch_size']}" if "batch_size" in run.settings else ""
        what = f"{data.name} {data.revision}, {data.split}{limit}"
        workload = f"{run.model.name} on {run.task} ({what}; {how}{batch}; {_machine(run)})"
        git = run.environment.git
        label = run.run_id if git is None else f"{short_name(git.commit)}{'-dirty' if git.dirty else ''}"
        values = {run.main_metric: run.metrics[run.main_metric].value}
        values |= {name: cost(run) for name, cost in _COSTS.items()}
        for metric, value in values.items():
            if value is not None:
                yield workload, metric, Point(run.created, label, value)


def _machine(run: RunRecord) -> str:
    """The name of what the model ran on: of the accelerator, where the device is one, else of the CPU."""
    kind, _, index = str(run.settings.get("device", "cpu")).partition(":")
    names = run.environment.accelerators
    if kind == "cpu" or not names:
        return run.environment.cpu
    number = int(index) if index.isdecimal() else 0
    return names[number] if number < len(names) else names[0]


def _of(histories: Iterable[Path]) -> Iterable[tuple[str, str, Point]]:
    for path in histories:
        history = read_history(path)
        for metric, values in history.metrics.items():
            rows = zip(history.time, history.commit, history.workload, values, strict=True)
            for time, commit, workload, value in rows:
                if value is not None:
                    yield workload, metric, Point(time, short_name(commit) or f"{time:%Y-%m-%d %H:%M}", value)
