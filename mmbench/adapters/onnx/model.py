"""Exported models: batches as the model makes them that was exported, answers from onnxruntime."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import cast

from torch import Tensor, nn

from mmbench.adapters.onnx.header import LOGITS, ONNXHeader, tensors, vectors
from mmbench.adapters.onnx.session import Session, releasing
from mmbench.errors import UsageError
from mmbench.fusion_factory import find_factory
from mmbench.model import Batch, Model
from mmbench.sample import Sample


class ONNXModel:
    """Base of the exported models."""

    def __init__(self, name: str, original: Model, sessions: Mapping[str, Session]) -> None:
        """Args:
        name: what records call it.
        original: the model that was exported, its weights not loaded.
        sessions: by output.
        """
        self.name = name
        self.modalities = original.modalities
        # So that samples go into the same batches as with the original.
        self.length = cast("Callable[[Sample], int] | None", getattr(original, "length", None))
        self._original = original
        self._sessions = sessions

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """As the original does."""
        return self._original.collate(samples)

    def releasing(self) -> AbstractContextManager[None]:
        """A context in which onnxruntime gives memory back after each run."""
        return releasing(self._sessions.values())


class ONNXClassifier(ONNXModel):
    """A classifier that was exported."""

    def __init__(self, name: str, original: Model, sessions: Mapping[str, Session], labels: tuple[str, ...]) -> None:
        super().__init__(name, original, sessions)
        self.labels = labels

    def classify(self, batch: Batch) -> Tensor:
        """Logits [B, C]."""
        return self._sessions[LOGITS].run(tensors(batch))


class ONNXEmbedder(ONNXModel):
    """A model that embeds, exported."""

    def embed(self, batch: Batch, modality: str) -> Tensor:
        """Vectors [B, D]."""
        return self._sessions[vectors(modality)].run(tensors(batch))


def restored(header: ONNXHeader) -> Model:
    """The model that was exported, for its batches: weights are neither loaded nor kept.

    Raises:
        UsageError: no such model is registered here, or the configuration is not of it.
    """
    factory = find_factory(header.model)
    if factory is None:
        raise UsageError(
            f"the file was exported from model {header.model!r}, which makes its inputs and is not registered here; "
            "install its package, or name its file with --plugin"
        )
    model = factory.restore(header.model, header.config)
    if isinstance(model, nn.Module):
        model.to("meta")
    return model
