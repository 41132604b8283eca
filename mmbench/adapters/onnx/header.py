"""What an exported ONNX file says of itself: how its inputs are made, what its output means, where it comes from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from torch import Tensor

from mmbench.errors import UsageError
from mmbench.model import Batch

KEY = "mmbench"
"""Where the header stands among the metadata of a file."""

LOGITS = "logits"
"""Output of a classifier, [B, C]."""

EXTRA = "onnx"
"""The extra of mmbench that installs what these files need."""

Exportable = Literal["classify", "embed"]
"""Abilities that are one function of a batch; to generate is a loop around one."""

Precision = Literal["float32", "float16", "int8"]
"""Number formats that files are written in; of `int8` only the weights of linear and LSTM layers."""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ONNXHeader:
    """The header of an exported file.

    Attributes:
        model: the registered name.
        config: what `ModelFactory.restore` takes; the restored model makes the batches.
        ability: what the file computes.
        labels: of a classifier, in the order of its logits; else empty.
        precision: of weights and arithmetic.
        parameters: of the model that was exported; a file has fewer where the exporter merged layers.
        weights: SHA-256 of the weights file, if there is one.
        training: how the weights came about, as their header says.
    """

    model: str
    config: dict[str, Any]
    ability: Exportable
    labels: tuple[str, ...]
    precision: Precision
    parameters: int
    weights: str | None
    training: dict[str, Any]

    def to_json(self) -> str:
        """As it stands in the file; keys keep their order, in which a fusion reads modalities."""
        return json.dumps({"format": _FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str, path: Path) -> Self:
        """Inverse of `to_json`.

        Raises:
            UsageError: it is damaged, or of a newer mmbench.
        """
        try:
            content = dict(json.loads(text))
            version = content.pop("format")
            if version <= _FORMAT:
                return cls(**{**content, "labels": tuple(content["labels"])})
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} has a damaged header: {type(error).__name__}: {error}") from error
        raise UsageError(f"{path} has ONNX header {version}; this mmbench reads up to {_FORMAT}: upgrade mmbench")


def vectors(modality: str) -> str:
    """Output of a model that embeds, [B, D]."""
    return f"vectors.{modality}"


def tensors(batch: Batch) -> Mapping[str, Tensor]:
    """A batch by the names that the inputs of a file have: `inputs.image`, `mask.image`, ..."""
    return {
        **{f"inputs.{modality}": tensor for modality, tensor in batch.inputs.items()},
        **{f"mask.{modality}": tensor for modality, tensor in batch.mask.items()},
    }
