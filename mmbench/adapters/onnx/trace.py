"""From a `torch.nn.Module` to an ONNX graph, and the same graph with weights of eight bits."""

import builtins
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.adapters.missing import needed
from mmbench.adapters.onnx.header import EXTRA, LOGITS, Exportable, tensors, vectors
from mmbench.errors import HarnessError, one_line
from mmbench.model import Batch, Classifies, Embeds, Model

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_QUANTISED = ["MatMul", "LSTM"]
"""Operators whose weights become integers; a `Gemm` is made a `MatMul` first. Integer convolutions are slow, or absent,
on most processors, and recurrent layers other than LSTM have none."""


class _Graph(nn.Module):
    """A model's answers as a function of tensors alone."""

    def __init__(self, model: Model, ability: Exportable) -> None:
        super().__init__()
        self.model = model
        self._ability = ability

    def forward(self, inputs: dict[str, Tensor], mask: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Logits, or the vectors of each modality."""
        with _symbolic_len():
            batch = Batch(next(iter(inputs.values())).shape[0], inputs, mask)
            if self._ability == "classify":
                return (cast(Classifies, self.model).classify(batch),)
            return tuple(cast(Embeds, self.model).embed(batch, modality) for modality in self.model.modalities)


def trace(model: Model, ability: Exportable, example: Batch, opset: int | None) -> "ModelProto":
    """The graph of a model.

    Args:
        model: an `nn.Module` on the CPU, in evaluation.
        ability: what the graph computes.
        example: no two lengths that may change are equal in it, or 1.
        opset: version of the operators; `None` for the exporter's own choice.

    Raises:
        HarnessError: the exporter cannot trace the model, or has no ONNX operator for one of its.
    """
    outputs = [LOGITS] if ability == "classify" else [vectors(modality) for modality in model.modalities]
    try:
        with _silent(), _any_length(), torch.no_grad():
            program = torch.onnx.export(
                _Graph(model, ability).eval(),
                kwargs={"inputs": dict(example.inputs), "mask": dict(example.mask)},
                dynamic_shapes=_axes(example),
                input_names=[*tensors(example)],
                output_names=outputs,
                opset_version=opset,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            assert program is not None  # noqa: S101  # it is with dynamo=True
            graph: ModelProto = program.model_proto
    except Exception as error:  # the exporter fails in any way on what it cannot trace
        raise HarnessError(f"PyTorch cannot export model {model.name!r} to ONNX: {_cause(error)}") from error
    for value in (*graph.graph.input, *graph.graph.output):
        del value.metadata_props[:]
    for nodes in (graph.graph.node, *(function.node for function in graph.functions)):
        _forget_origin(nodes)
    return graph


def quantised(graph: "ModelProto") -> "ModelProto":
    """The graph with integer weights where that pays; activations become integers as they come.

    Raises:
        HarnessError: onnxruntime cannot do it.
    """
    onnx = needed("onnx", EXTRA, "mmbench export")
    library = needed("onnxruntime.quantization", EXTRA, "mmbench export --quantize")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "int8.onnx"
        try:
            with _silent():
                library.quantize_dynamic(graph, file, op_types_to_quantize=_QUANTISED)
        except Exception as error:  # foreign code
            raise HarnessError(f"onnxruntime cannot quantise the graph: {_cause(error)}") from error
        found: ModelProto = onnx.load(file)
    return found


def distinct(batch: Batch) -> Batch:
    """The batch with its sequences filled up until no two sizes that may change are equal, and none is 1.

    From an example where they are, the exporter could conclude that they always are.
    """
    used = {batch.size}
    for modality, mask in batch.mask.items():
        if mask.dim() == 2:
            length = max(2, mask.shape[1])
            while length in used:
                length += 1
            used.add(length)
            batch = longer(batch, modality, length - mask.shape[1])
    return batch


def longer(batch: Batch, modality: str, more: int) -> Batch:
    """The batch with `more` masked places at the end of a modality's sequences."""
    inputs, mask = batch.inputs[modality], batch.mask[modality]
    if _follows(inputs, mask):
        inputs = F.pad(inputs, (0, 0) * (inputs.dim() - 2) + (0, more))
    return replace(
        batch,
        inputs={**batch.inputs, modality: inputs},
        mask={**batch.mask, modality: F.pad(mask, (0, more))},
    )


def _follows(inputs: Tensor, mask: Tensor) -> bool:
    """Whether the second dimension of inputs is that of their mask, [B, T]."""
    return mask.dim() == 2 and inputs.dim() >= 2 and inputs.shape[1] == mask.shape[1]


def _axes(batch: Batch) -> dict[str, dict[str, dict[int, str]]]:
    """Names of the dimensions that may change."""

    def of(modality: str, changes: bool) -> dict[int, str]:
        return {0: "batch", 1: f"{modality}_length"} if changes else {0: "batch"}

    return {
        "inputs": {m: of(m, _follows(tensor, batch.mask[m])) for m, tensor in batch.inputs.items()},
        "mask": {m: of(m, tensor.dim() == 2) for m, tensor in batch.mask.items()},
    }


@contextmanager
def _symbolic_len() -> Iterator[None]:
    """`len(tensor)` as the symbol that `tensor.shape[0]` is while a model is traced.

    `len` itself gives the example's number. PyTorch then traces again in another way, which takes three times as long
    and knows less of Python.
    """
    plain = builtins.len

    def length(thing: Any) -> Any:
        return thing.shape[0] if isinstance(thing, Tensor) else plain(thing)

    builtins.len = length
    try:
        yield
    finally:
        builtins.len = plain


@contextmanager
def _any_length() -> Iterator[None]:
    """Recurrent layers of any length, not of the example's: PyTorch 2.13 sees to it in some steps of an export only.

    https://github.com/pytorch/pytorch/pull/193192
    """
    with ExitStack() as stack:
        try:
            from torch.export import _patches  # noqa: PLC0415  # not there in all versions
        except ImportError:
            pass
        else:
            stack.enter_context(_patches.register_gru_while_loop_decomposition())
            stack.enter_context(_patches.register_lstm_while_loop_decomposition())
        yield


@contextmanager
def _silent() -> Iterator[None]:
    """Exporters warn of what is inside them, by warnings and by logs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _forget_origin(nodes: Iterable["NodeProto"]) -> None:
    """Take out where in the source nodes come from, which is told with paths of this machine."""
    for node in nodes:
        del node.metadata_props[:]
        node.ClearField("doc_string")
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                _forget_origin(graph.node)


def _cause(error: BaseException) -> str:
    """The error that the others are about, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error)
