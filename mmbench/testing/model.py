"""Conformance of a model: `check_model` runs any model through what an evaluation relies on."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmbench.engine.ask import ask_in_parts
from mmbench.engine.load_run import Where, load_run
from mmbench.engine.options import EvalOptions
from mmbench.engine.run import Run
from mmbench.errors import UsageError, join_names
from mmbench.model import Batch, Classifies, Model, Remote
from mmbench.sample import Prediction, Sample

_TOLERANCE = 1e-3
"""Of log-probabilities, and of vectors by their largest number: sums in another order differ by less in float32."""


def check_model(
    model: str | Model,
    task: str,
    *,
    dataset: str | None = None,
    split: str | None = None,
    data: Path | str | None = None,
    samples: int = 8,
    tolerance: float = _TOLERANCE,
    settings: tuple[str, ...] = (),
) -> None:
    """Assert that a model has the properties that evaluation, cost and diagnosis rely on.

    It has an ability that the task asks for; its batches tell their size and what is there, can be sent from a loader
    process, and leave the samples alone; it gives one answer a sample in the form of its ability, without NaN; asked
    again it answers the same; a sample alone, in a batch, in another order or in a part of a batch gets the same
    answer; it leaves a batch as it is; and a sample that lacks a modality, or all, gets an answer and changes no other.

    Args:
        model: a registered name, `SCHEME:ARGUMENT`, `FILE.py:FACTORY`, or a model itself.
        task: what to ask of it.
        dataset, split: where the samples come from; the defaults if `None`.
        data: where the files of the data set are, if not where its card says.
        samples: how many are asked, spread over the split.
        tolerance: of log-probabilities, and of vectors relative to their largest number, between two ways of asking.
        settings: `OPTION=VALUE` of an adapter.

    Raises:
        AssertionError: says which property fails, and how.
        UsageError: there is no such model, task or data, the model does not fit the task, or it answers on another
            machine.
    """
    options = EvalOptions(device="cpu", workers=0, settings=settings)
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            run = load_run(model, task, Where(dataset, split, data if data is None else Path(data)), None, options)
            if isinstance(run.model, Remote):
                raise UsageError(
                    f"{run.model.name!r} answers on another machine: these checks ask each sample ten times"
                )
            spread = np.unique(np.linspace(0, len(run.samples) - 1, min(samples, len(run.samples))).astype(int))
            _check(_Case(run, [run.samples[int(index)] for index in spread], tolerance))
    finally:
        torch.set_num_threads(threads)


def _check(case: "_Case") -> None:
    with torch.inference_mode():
        for says, check in _CHECKS:
            try:
                check(case)
            except Exception as error:  # whatever a model raises is a finding, to be told with the property it breaks
                reason = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
                raise AssertionError(f"{case.model.name}: {says}: {reason}") from error


@dataclass(frozen=True)
class _Case:
    """A loaded model and the samples that it is asked."""

    run: Run
    samples: Sequence[Sample]
    tolerance: float

    @property
    def model(self) -> Model:
        return self.run.model

    @cached_property
    def answers(self) -> list[Prediction]:
        """To all samples in one batch."""
        return self.ask(self.samples)

    def ask(self, samples: Sequence[Sample]) -> list[Prediction]:
        return self.put(self.model.collate(samples))

    def put(self, batch: Batch) -> list[Prediction]:
        answers = ask_in_parts(self.run.task, self.model, batch, _refuse)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [answer for answer in answers if isinstance(answer, Prediction)]

    def same(self, found: Sequence[Prediction], expected: Sequence[Prediction], message: str) -> None:
        for position, (one, other) in enumerate(zip(found, expected, strict=True)):
            self._same(one, other, f"{message} (sample {position})")

    def _same(self, one: Prediction, other: Prediction, message: str) -> None:
        for name in ("scores", "vector"):
            numbers, others = getattr(one, name), getattr(other, name)
            if numbers is None or others is None:
                continue
            scale = 1.0 if name == "scores" else max(1e-12, float(np.abs(others).max()))
            apart = float(np.abs(np.where(numbers == others, 0.0, numbers - others)).max(initial=0.0)) / scale
            _require(apart <= self.tolerance, f"{message}: {name} differ by {apart:.2g}")
            if name == "scores":
                return  # labels with nearly the same score may change places
        _require(one.value == other.value, f"{message}: {one.value!r} and {other.value!r}")


def _refuse(note: str) -> None:
    raise AssertionError(note)


def _collates(case: _Case) -> None:
    before = [dict(sample.inputs) for sample in case.samples]
    batch = case.model.collate(case.samples)
    _require(len(batch) == len(case.samples), f"{len(batch)} for {len(case.samples)} samples")
    for modality in case.model.modalities:
        mask = batch.mask.get(modality)
        if mask is None:
            raise AssertionError(f"its batch has no mask of {modality}")
        shape = [*mask.shape]
        _require(mask.dtype == torch.bool, f"the mask of {modality} is {mask.dtype}, not bool")
        _require(
            len(shape) in (1, 2) and shape[0] == len(batch), f"the mask of {modality} is {shape}, not [B] or [B, T]"
        )
        there = mask.reshape(len(batch), -1).any(dim=1).tolist()
        told = [sample.inputs.get(modality) is not None for sample in case.samples]
        _require(there == told, f"the mask of {modality} says {there}, the samples {told}")
    same = all(dict(sample.inputs).keys() == kept.keys() for sample, kept in zip(case.samples, before, strict=True))
    _require(same, "it changed the inputs of a sample")


def _sent(case: _Case) -> None:
    batch = case.model.collate(case.samples)
    copy: Batch = pickle.loads(pickle.dumps(batch))  # noqa: S301  # our own bytes
    case.same(case.put(copy), case.answers, "a batch that was sent between processes is answered otherwise")


def _answers(case: _Case) -> None:
    _require(len(case.answers) == len(case.samples), f"{len(case.answers)} for {len(case.samples)} samples")
    if isinstance(case.model, Classifies) and case.answers[0].scores is not None:
        labels = case.model.labels
        _require(len(set(labels)) == len(labels), "a label stands twice in its labels")
        for answer in case.answers:
            scores = answer.scores
            width = None if scores is None else len(scores)
            _require(width == len(labels), f"{width} scores for {len(labels)} labels")


def _deterministic(case: _Case) -> None:
    case.same(case.ask(case.samples), case.answers, "asked again, it answers otherwise")


def _by_itself(case: _Case) -> None:
    alone = [case.ask([sample])[0] for sample in case.samples]
    case.same(alone, case.answers, "a sample alone and in a batch are answered differently")


def _in_any_order(case: _Case) -> None:
    backwards = case.ask(case.samples[::-1])[::-1]
    case.same(backwards, case.answers, "another order in the batch changes an answer")


def _in_parts(case: _Case) -> None:
    batch = case.model.collate(case.samples)
    middle = len(batch) // 2
    if middle:
        parts = [*case.put(batch.part(0, middle)), *case.put(batch.part(middle, len(batch)))]
        case.same(parts, case.answers, "halves of a batch are answered otherwise than the whole")


def _keeps_batch(case: _Case) -> None:
    batch = case.model.collate(case.samples)
    before = {name: tensor.clone() for name, tensor in _tensors(batch).items()}
    case.put(batch)
    for name, tensor in _tensors(batch).items():
        _require(torch.equal(tensor, before[name]), f"{name} was changed in place")


def _tensors(batch: Batch) -> Mapping[str, Tensor]:
    inputs = {f"inputs[{name!r}]": tensor for name, tensor in batch.inputs.items()}
    return inputs | {f"mask[{name!r}]": tensor for name, tensor in batch.mask.items()}


def _missing(case: _Case) -> None:
    if case.run.task.card.abilities == ("embed",):  # an item has one modality; one with none is no item
        return
    for lacking in [*((m,) for m in case.model.modalities), case.model.modalities]:
        first, *others = case.samples
        kept = {name: value for name, value in first.inputs.items() if name not in lacking}
        told = f"with a sample that lacks {join_names(lacking)}"
        try:
            found = case.ask([replace(first, inputs=kept), *others])
        except Exception as error:  # as in check_model
            raise AssertionError(f"{told}: {type(error).__name__}: {error}") from error
        case.same(found[1:], case.answers[1:], f"{told}, another is answered otherwise")


def _require(holds: bool, message: str) -> None:
    # Not a bare assert, which `python -O` leaves out.
    if not holds:
        raise AssertionError(message)


_CHECKS: tuple[tuple[str, Callable[[_Case], None]], ...] = (
    ("its batches tell what is there", _collates),
    ("it gives one answer a sample", _answers),
    ("it is deterministic", _deterministic),
    ("its batches can be sent between processes", _sent),
    ("it answers each sample by itself", _by_itself),
    ("it answers in any order", _in_any_order),
    ("a batch can be halved", _in_parts),
    ("it leaves its batches as they are", _keeps_batch),
    ("a modality may be missing", _missing),
)
