"""Predictions that were made elsewhere: one JSON object a line, checked and turned into predictions and samples."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmbench.data.annotations import UniqueIds, field, read_jsonl, shown, texts
from mmbench.errors import UsageError
from mmbench.sample import Dataset, Prediction, Sample
from mmbench.task import TaskCard

_SHOWN = 3
"""Ids that an error gives as examples."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A sample with its prediction, and the line where that is."""

    where: str
    sample: Sample
    prediction: Prediction


def read_predictions(path: Path, card: TaskCard, dataset: Dataset | None = None) -> list[Answered]:
    """Read `{"id", "prediction", TARGET, ...}` lines; TARGET is the task's, as `answers` or `reference`.

    `"vector"` takes the place of `"prediction"` where the task asks for vectors. `"probabilities"`, {label: p}, gives
    scores; `"group"` is the cluster for intervals; any other text or number is kept for breakdowns.

    Args:
        path: the file.
        card: the task's.
        dataset: where the samples are; every one must have a line. If `None`, each line brings its target.

    Raises:
        UsageError: the file cannot be read, a field is missing or of another kind, an id is there twice, or the ids
            are not those of the data set; says the line and the id.
    """
    samples = None if dataset is None else {s.id: s for s in (dataset[index] for index in range(len(dataset)))}
    ids = UniqueIds()
    found = []
    for number, line in read_jsonl(path):
        where = f"{shown(path)}:{number}"
        sample_id = str(field(line, "id", (str, int), where))
        ids.add(sample_id, where)
        where = f"{where}: id {sample_id}"
        if samples is None:
            sample = _sample(line, sample_id, card, where)
        elif sample_id in samples:
            sample = samples[sample_id]
        else:
            raise UsageError(f"{where}: the data set has no such sample; it has {_examples(samples)}")
        found.append(Answered(where, sample, _prediction(line, where)))
    if not found:
        raise UsageError(f"{shown(path)}: no predictions")
    if samples is not None:
        answered = {each.sample.id for each in found}
        missing = [sample_id for sample_id in samples if sample_id not in answered]
        if missing:
            raise UsageError(
                f"{shown(path)}: {len(missing):,} of {len(samples):,} samples have no prediction: {_examples(missing)}"
            )
        found.sort(key=_position(samples))
    return found


def pair(path: Path, ours: list[Answered], other: Path, theirs: list[Answered]) -> list[Answered]:
    """`theirs` in the order of `ours`.

    Raises:
        UsageError: the ids or the targets of the two files are not the same.
    """
    by_id = {each.sample.id: each for each in theirs}
    own = {each.sample.id for each in ours}
    for ids, there, absent in (
        ([each.sample.id for each in ours if each.sample.id not in by_id], path, other),
        ([each.sample.id for each in theirs if each.sample.id not in own], other, path),
    ):
        if ids:
            raise UsageError(
                f"{len(ids):,} ids of {shown(there)} are not in {shown(absent)}: {_examples(ids)}; "
                "a paired comparison needs the same samples"
            )
    for each in ours:
        twin = by_id[each.sample.id]
        if twin.sample.target != each.sample.target or twin.sample.group != each.sample.group:
            raise UsageError(f"{twin.where}: target or group is not the one at {each.where}")
    return [by_id[each.sample.id] for each in ours]


def _position(samples: Mapping[str, Sample]) -> Any:
    order = {sample_id: position for position, sample_id in enumerate(samples)}
    return lambda each: order[each.sample.id]


def _sample(line: Mapping[str, Any], sample_id: str, card: TaskCard, where: str) -> Sample:
    name = card.target_field
    target: Any
    if card.many_targets and not isinstance(line.get(name), str):
        target = texts(line, name, where)
    else:
        target = str(field(line, name, (str, int, float), where))
    group = line.get("group")
    reserved = {"id", "prediction", "vector", "probabilities", "group", name}
    meta = {k: str(v) for k, v in line.items() if k not in reserved and isinstance(v, str | int | float)}
    return Sample(sample_id, {}, target, None if group is None else str(group), meta)


def _prediction(line: Mapping[str, Any], where: str) -> Prediction:
    if "vector" in line:
        numbers = field(line, "vector", list, where)
        if not all(isinstance(x, int | float) and math.isfinite(x) for x in numbers) or not numbers:
            raise UsageError(f"{where}: field 'vector': expected finite numbers")
        return Prediction("", vector=np.asarray(numbers, dtype=np.float32))
    value = str(field(line, "prediction", (str, int, float), where))
    if "probabilities" not in line:
        return Prediction(value)
    shares = field(line, "probabilities", dict, where)
    for label, share in shares.items():
        if not (isinstance(share, int | float) and 0 <= share <= 1):
            raise UsageError(f"{where}: field 'probabilities': {label!r} has {share!r}; expected 0 to 1")
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-3):
        raise UsageError(f"{where}: field 'probabilities': they sum to {sum(shares.values()):.4f}; expected 1")
    with np.errstate(divide="ignore"):
        scores = np.log(np.asarray(list(shares.values()), dtype=np.float64)).astype(np.float32)
    return Prediction(value, scores, tuple(shares))


def _examples(ids: Any) -> str:
    listed = list(ids)
    return ", ".join(map(repr, listed[:_SHOWN])) + (", ..." if len(listed) > _SHOWN else "")


def lines_with_scores(answered: list[Answered], path: Path) -> bool:
    """Whether the lines give probabilities: all of them, or none.

    Raises:
        UsageError: some do and some do not; says where the first without is.
    """
    without = [each.where for each in answered if each.prediction.scores is None]
    if without and len(without) < len(answered):
        raise UsageError(f"{without[0]}: no field 'probabilities', which other lines of {shown(path)} have")
    return not without


def targets(answered: list[Answered]) -> Iterator[str]:
    """What was asked, a line a sample, in an order that does not depend on the file's."""
    yield from sorted(f"{each.sample.id}\0{each.sample.target!r}" for each in answered)
