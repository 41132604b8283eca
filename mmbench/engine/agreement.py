"""How far the answers of an exported graph are from those of its model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from mmbench.adapters.onnx.header import LOGITS, Exportable, tensors, vectors
from mmbench.adapters.onnx.session import Runtime, open_sessions
from mmbench.adapters.onnx.trace import longer
from mmbench.model import Batch, Classifies, Embeds, Model
from mmbench.sample import Sample

if TYPE_CHECKING:
    from onnx import ModelProto

_BATCH = 32
"""Samples of a batch."""

_MORE = 3
"""Masked places at the end of sequences that samples do not need: lengths that may not occur among them."""

Answers = dict[str, Tensor]
"""Of one batch, by the names of a graph's outputs."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near the answers of a graph are.

    Attributes:
        samples: that were compared.
        difference: the largest between an output of the graph and the same of the model.
        largest: output of the model, which the difference is to be seen beside.
        same: predictions of a classifier that are the model's; `None` of another model.
    """

    samples: int
    difference: float
    largest: float
    same: int | None

    def within(self, tolerance: float) -> bool:
        """Whether the difference is at most this, or this share of the largest output; NaN never is."""
        return self.difference <= tolerance * max(1.0, self.largest)


class Reference:
    """The answers of a model, in the number format that it has at the start, which graphs are compared with."""

    def __init__(self, model: Model, ability: Exportable, samples: Sequence[Sample]) -> None:
        """Ask the model all samples in batches, and then one alone, in sequences that are longer than it needs."""
        self._count = len(samples)
        self._batches = [model.collate(samples[start : start + _BATCH]) for start in range(0, len(samples), _BATCH)]
        self._batches.append(_stretched(model.collate(samples[:1])))
        self._expected = [_asked(model, ability, batch) for batch in self._batches]

    def compare(self, graph: "ModelProto") -> Agreement:
        """Ask a graph the same.

        Raises:
            UsageError: onnxruntime cannot run it.
        """
        sessions = open_sessions(graph, Runtime(torch.device("cpu")))
        found = [
            _those(batch, {name: session.run(tensors(batch)) for name, session in sessions.items()})
            for batch in self._batches
        ]
        pairs = [
            (one, other[name])
            for answers, other in zip(self._expected, found, strict=True)
            for name, one in answers.items()
        ]
        return Agreement(
            self._count,
            _greatest([one - other for one, other in pairs]),
            _greatest([one for one, _ in pairs]),
            self._same(found) if LOGITS in found[0] else None,
        )

    def _same(self, found: Sequence[Answers]) -> int:
        """How many of the samples have the same greatest logit."""
        both = ([answers[LOGITS].argmax(dim=1) for answers in each[:-1]] for each in (self._expected, found))
        one, other = map(torch.cat, both)
        return int((one == other).sum())


def _greatest(parts: Sequence[Tensor]) -> float:
    """The largest absolute value; NaN where there is one."""
    return float(torch.cat([part.abs().flatten() for part in parts]).max())


def _stretched(batch: Batch) -> Batch:
    for modality, mask in batch.mask.items():
        if mask.dim() == 2:
            batch = longer(batch, modality, _MORE)
    return batch


def _asked(model: Model, ability: Exportable, batch: Batch) -> Answers:
    with torch.inference_mode():
        if ability == "classify":
            return _those(batch, {LOGITS: cast(Classifies, model).classify(batch)})
        return _those(batch, {vectors(m): cast(Embeds, model).embed(batch, m) for m in model.modalities})


def _those(batch: Batch, answers: Answers) -> Answers:
    """In float32, without the vectors of samples that lack the modality, which mean nothing."""
    found = {}
    for name, rows in answers.items():
        mask = batch.mask.get(name.removeprefix(vectors("")), torch.ones(batch.size, dtype=torch.bool))
        found[name] = rows.float()[mask.reshape(batch.size, -1).any(dim=1)]
    return found
