"""Predictions that were made elsewhere: one JSON object a line, checked and turned into predictions and samples."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def read_predictions(
    path: Path, card: TaskCard, dataset: Dataset | None = None, *, keep_inputs: bool = False
) -> list[Answered]:
    """Read `{"id", "prediction", TARGET, ...}` lines; TARGET is the task's, as `answers` or `reference`.

    Where the task asks for vectors, `"vector"` takes the place of `"prediction"`. `"probabilities"`, {label: p}, gives
    scores; `"group"` is the cluster for intervals; any other text or number is kept for breakdowns.

    Args:
        path: the file.
        card: the task's.
        dataset: where the samples are; every one must have a line. If `None`, each line brings its target.
        keep_inputs: a metric reads the samples' inputs, which are dropped otherwise.

    Raises:
        UsageError: the file cannot be read, a field is missing or of another kind, an id is there twice, or the ids
            are not those of the data set; says the line and the id.
    """
    samples = None if dataset is None else _by_id(dataset, keep_inputs)
    ids = UniqueIds()
    found = []
    for number, line in read_jsonl(path, unique_keys=True):
        where = f"{shown(path)}:{number}"
        sample_id = str(field(line, "id", (str, int), where))
        if not sample_id.strip():
            raise UsageError(f"{where}: field 'id' is empty")
        ids.add(sample_id, where)
        where = f"{where}: id {sample_id}"
        if samples is None:
            sample = _sample(line, sample_id, card, where)
        elif sample_id in samples:
            sample = samples[sample_id]
        else:
            raise UsageError(f"{where}: the data set has no such sample; it has {_examples(samples)}")
        found.append(Answered(where, sample, _prediction(line, card, where)))
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


def _by_id(dataset: Dataset, keep_inputs: bool) -> dict[str, Sample]:
    samples = (dataset[index] for index in range(len(dataset)))
    return {each.id: each if keep_inputs else replace(each, inputs={}) for each in samples}


def _position(samples: Mapping[str, Sample]) -> Any:
    order = {sample_id: position for position, sample_id in enumerate(samples)}
    return lambda each: order[each.sample.id]


def _sample(line: Mapping[str, Any], sample_id: str, card: TaskCard, where: str) -> Sample:
    name = card.target_field
    target: Any
    if card.many_targets:
        target = [line[name]] if isinstance(line.get(name), str) else texts(line, name, where)
    else:
        target = str(field(line, name, (str, int, float), where))
    group = None if line.get("group") is None else str(field(line, "group", (str, int), where))
    reserved = {"id", "prediction", "vector", "probabilities", "group", name}
    meta = {k: str(v) for k, v in line.items() if k not in reserved and isinstance(v, str | int | float)}
    return Sample(sample_id, {}, target, group, meta)


def _prediction(line: Mapping[str, Any], card: TaskCard, where: str) -> Prediction:
    if card.abilities == ("embed",):
        return Prediction("", vector=_vector(field(line, "vector", list, where), where))
    value = str(field(line, "prediction", (str, int, float), where))
    if "probabilities" not in line:
        return Prediction(value)
    shares = field(line, "probabilities", dict, where)
    for label, share in shares.items():
        if not (_is_number(share) and 0 <= share <= 1):
            raise UsageError(f"{where}: field 'probabilities': {label!r} has {share!r}; expected 0 to 1")
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-3):
        raise UsageError(f"{where}: field 'probabilities': they sum to {sum(shares.values()):.4f}; expected 1")
    likeliest = max(shares, key=lambda label: shares[label])
    if shares.get(value, 0) < shares[likeliest]:
        raise UsageError(f"{where}: prediction {value!r} is not the most probable label, which is {likeliest!r}")
    with np.errstate(divide="ignore"):
        scores = np.log(np.asarray(list(shares.values()), dtype=np.float64)).astype(np.float32)
    return Prediction(value, scores, tuple(shares))


def _vector(numbers: list[Any], where: str) -> NDArray[np.float32]:
    try:
        found = np.asarray([float(x) if _is_number(x) else math.nan for x in numbers], dtype=np.float64)
    except OverflowError:
        found = np.asarray([math.inf])
    if not found.size or not (np.abs(found) <= np.finfo(np.float32).max).all():
        raise UsageError(f"{where}: field 'vector': expected numbers that are finite in float32")
    return found.astype(np.float32)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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


def answers_hash(answered: list[Answered]) -> str:
    """SHA-256 of ids and predictions, whatever the order of lines."""
    digest = sha256()
    for each in sorted(answered, key=lambda each: each.sample.id):
        said = each.prediction
        digest.update(f"{each.sample.id}\0{said.value}\0".encode())
        for numbers in (said.vector, said.scores):
            digest.update(b"" if numbers is None else numbers.tobytes())
    return digest.hexdigest()


def targets(answered: list[Answered]) -> Iterator[str]:
    """What was asked, a line a sample, in an order that does not depend on the file's."""
    yield from sorted(f"{each.sample.id}\0{each.sample.target!r}" for each in answered)
