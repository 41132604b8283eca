"""The additive part of a classifier: its empirical multimodally-additive projection."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmbench.engine.ask import had
from mmbench.engine.loader import make_loader, plan_batches
from mmbench.engine.rows import Asking
from mmbench.errors import HarnessError
from mmbench.model import Batch, Classifies, Decides, Model
from mmbench.sample import Dataset, Prediction

FloatArray = NDArray[np.float64]
T = TypeVar("T")

_MOST_PAIRS = 8192
"""Recombined samples at a time; fewer where a sample is large."""

_MOST_NUMBERS = 8_000_000
"""Numbers that the recombined samples of one time hold."""


class CannotRecombineError(Exception):
    """The batches of a model are not one tensor and one mask by modality; says what they are."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Logits of n samples, float64 [n, C].

    Attributes:
        full: of the model.
        additive: of its additive part.
    """

    full: FloatArray
    additive: FloatArray


def project(
    model: Model, asking: Asking, samples: Dataset, told: Callable[[int, int], None] = lambda *_: None
) -> Projection:
    """The empirical multimodally-additive projection of a classifier (Hessel & Lee, EMNLP 2020, equation 2).

    Of two modalities t and v, over all n² recombinations of the samples' own values:

        f^(t_i, v_i) = mean_j f(t_i, v_j) + mean_j f(t_j, v_i) - mean_jk f(t_j, v_k)

    Of M modalities, each against the others, which stay together as they occur:

        f^(x_i) = sum_m mean_j f(x_i's m, the rest of x_j) - (M - 1) mu,    mu the mean of all these

    For M = 2 that is the same; a sum of unimodal logits is its own projection for every M. Where the model `Decides`,
    each sample is encoded once and tokens are recombined, else the inputs are. Logits are added up in float64.

    Args:
        model: that classifies, on the device of `asking`, and reads at least two modalities.
        asking: how samples are put to it.
        samples: n.
        told: done and all recombined samples, now and then.

    Raises:
        CannotRecombineError: its batches are not one tensor and one mask by modality.
        HarnessError: a sample cannot be read, or the model fails or gives NaN.
    """
    with torch.inference_mode():
        batch = _gathered(model, asking, samples)
        modalities = model.modalities
        # Of two, one matrix of pairs has both: the others' means are those over its columns.
        walked = modalities[:1] if len(modalities) == 2 else modalities
        total = len(walked) * batch.size**2
        sums: list[FloatArray] = []
        full = np.empty(0)
        for number, modality in enumerate(walked):
            found = _pairs(model, batch, modality, partial(_after, told, number * batch.size**2, total))
            full = found.own if number == 0 else full
            sums += [found.rows, found.columns] if len(modalities) == 2 else [found.rows]
    means = np.stack(sums) / batch.size
    additive = means.sum(axis=0) - (len(modalities) - 1) * means.mean(axis=(0, 1))
    return Projection(full, additive)


def _after(told: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    told(before + done, total)


def predictions(asking: Asking, model: Model, logits: FloatArray) -> list[Prediction]:
    """What the task makes of logits [n, C] of the model's labels."""
    given = _Given(model, torch.from_numpy(logits))
    return [had(answer) for answer in asking.task.ask(given, Batch(len(logits), {}, {}))]


class _Given:
    """A classifier whose logits are known."""

    def __init__(self, model: Model, logits: Tensor) -> None:
        assert isinstance(model, Classifies)  # noqa: S101  # only such have logits
        self.name, self.modalities, self.labels = model.name, model.modalities, model.labels
        self._logits = logits

    def collate(self, samples: Sequence[object]) -> Batch:
        return Batch(len(samples), {}, {})

    def classify(self, batch: Batch) -> Tensor:
        return self._logits


def _logits(model: Model, batch: Batch) -> Tensor:
    """Logits of recombined samples, float64 [B, C]."""
    if isinstance(model, Decides):
        found = _asked(model.decide, batch)
    else:
        assert isinstance(model, Classifies)  # noqa: S101  # only such have logits
        found = _asked(model.classify, batch)
    result: Tensor = found.double()
    if result.isnan().any():
        raise HarnessError("the model gives NaN logits for recombined samples, which are no answer")
    return result


def _asked(step: Callable[[Batch], T], batch: Batch) -> T:
    """A step of the model, whose failure ends the run in one line."""
    try:
        return step(batch)
    except Exception as error:  # models are foreign code
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise HarnessError(f"the model fails on recombined samples: {reason}") from error


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Sums of the logits of pairs (i, j), whose one modality is of sample i and the rest of j; [n, C] each."""

    rows: FloatArray
    columns: FloatArray
    own: FloatArray


def _pairs(model: Model, batch: Batch, modality: str, told: Callable[[int], None]) -> _Pairs:
    """Over all pairs, some at a time, so that memory grows with n alone."""
    n = batch.size
    numbers = sum(prod(tensor.shape[1:]) for tensor in batch.inputs.values())
    most = max(1, min(_MOST_PAIRS, _MOST_NUMBERS // max(1, numbers)))
    wide = min(n, most)
    high = max(1, most // wide)
    rows: Tensor | None = None
    for top in range(0, n, high):
        for left in range(0, n, wide):
            one, other = range(top, min(top + high, n)), range(left, min(left + wide, n))
            found = _logits(model, _recombined(batch, modality, one, other)).view(len(one), len(other), -1)
            if rows is None:
                rows, columns, own = (found.new_zeros(n, found.shape[-1]) for _ in range(3))
            rows[one.start : one.stop] += found.sum(dim=1)
            columns[other.start : other.stop] += found.sum(dim=0)
            for i in one:
                if i in other:
                    own[i] = found[i - one.start, i - other.start]
        told(one.stop * n)
    assert rows is not None  # noqa: S101  # there is at least one sample
    return _Pairs(rows.cpu().numpy(), columns.cpu().numpy(), own.cpu().numpy())


def _recombined(batch: Batch, modality: str, one: range, other: range) -> Batch:
    """All pairs of `one` and `other`: `modality` of the first, the rest of the second."""

    def taken(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: tensor[one.start : one.stop].repeat_interleave(len(other), dim=0)
            if name == modality
            else tensor[other.start : other.stop].repeat(len(one), *[1] * (tensor.dim() - 1))
            for name, tensor in tensors.items()
        }

    return Batch(len(one) * len(other), taken(batch.inputs), taken(batch.mask))


def _gathered(model: Model, asking: Asking, samples: Dataset) -> Batch:
    """All samples as one batch in their order, encoded where the model can."""
    plan = plan_batches(samples, model, asking.batch_size, in_order=True)
    loader = make_loader(samples, model, plan, numbers=range(len(plan)), workers=asking.workers, pin_memory=False)
    parts = []
    for loaded in loader:
        if loaded.failures or loaded.batch is None:
            failure = loaded.failures[0]
            raise HarnessError(f"sample {failure.id} cannot be read: {failure.reason}")
        batch = loaded.batch.to(asking.device)
        parts.append(_asked(model.encode, batch) if isinstance(model, Decides) else batch)
    for part in parts:
        if set(part.inputs) != set(model.modalities) or set(part.mask) != set(model.modalities):
            told = ", ".join(sorted({*part.inputs, *part.mask})) or "nothing"
            raise CannotRecombineError(f"its batches hold {told}, not one tensor and one mask for each modality")
    inputs = {name: _joined([part.inputs[name] for part in parts]) for name in model.modalities}
    mask = {name: _joined([part.mask[name] for part in parts]) for name in model.modalities}
    return Batch(len(samples), inputs, mask)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Batches of one modality below each other, the shorter ones padded with zeros, which no mask lets through."""
    shape = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
    found = parts[0].new_zeros(sum(len(part) for part in parts), *shape)
    start = 0
    for part in parts:
        found[(slice(start, start + len(part)), *(slice(size) for size in part.shape[1:]))] = part
        start += len(part)
    return found
