"""Export: a registered model with its weights to a file for other engines, compared with it before it is kept."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import nn

from mmbench.adapter import LoadedModel
from mmbench.adapters.missing import needed
from mmbench.adapters.onnx.header import EXTRA, KEY, Exportable, ONNXHeader, Precision
from mmbench.adapters.onnx.trace import distinct, quantised, trace
from mmbench.budget import count_parameters
from mmbench.checkpoint import file_sha256
from mmbench.data.card import DatasetCard
from mmbench.engine.agreement import Agreement, Reference
from mmbench.engine.models import load_model
from mmbench.engine.resolve import resolve_dataset, resolve_task
from mmbench.errors import HarnessError, UsageError, join_names
from mmbench.model import Classifies, Model, Stored, abilities
from mmbench.sample import Sample, head
from mmbench.task import Task, TaskCard, check_fit

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

_EXAMPLE = 4
"""Samples of the batch that is traced; batches that are compared have other numbers of them."""

_TOLERANCE: Mapping[str, float] = {"float32": 1e-4, "float16": 2e-2, "int8": 0.25}
"""How far a graph of a number format may be from the model: what is further is broken, and not only less exact."""

_LARGEST = 2**31 - 1
"""Bytes of a protobuf message, which an ONNX file is."""

_CAN = "what can be exported is a registered model that classifies or embeds, with its weights (`mmbench list models`)"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to export.

    Attributes:
        opset: version of the operators; `None` for what PyTorch's exporter takes by itself.
        dtype: of weights and arithmetic.
        quantize: `int8`: linear and LSTM layers in 8 bits, their inputs as they come. The scale of those is the whole
            batch's, so that an answer depends a little on the other samples.
        samples: how many are compared.
    """

    opset: int | None = None
    dtype: Literal["float32", "float16"] = "float32"
    quantize: Literal["int8"] | None = None
    samples: int = 64

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            UsageError: which one, and what was expected.
        """
        if self.quantize and self.dtype != "float32":
            raise UsageError(f"--quantize {self.quantize} starts from float32; leave out --dtype {self.dtype}")
        if self.samples < 1:
            raise UsageError(f"--samples must be at least 1, not {self.samples}")

    @property
    def precision(self) -> Precision:
        """What records call the number format of the file."""
        return self.quantize or self.dtype


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how near it is to the model.

    Attributes:
        path: the file.
        ability: what it computes.
        inputs: number format and dimensions by name; a dimension that may change is told by a name.
        opset: version of the operators.
        precision: of the weights.
        size: bytes.
        sha256: of the file.
        parameters: of the model.
        agreement: with the model in float32.
    """

    path: Path
    ability: Exportable
    inputs: Mapping[str, str]
    opset: int
    precision: Precision
    size: int
    sha256: str
    parameters: int
    agreement: Agreement


def export(
    model: str,
    task: str,
    output: Path,
    *,
    dataset: str | None = None,
    data: Path | None = None,
    weights: Path | None = None,
    options: ExportOptions | None = None,
) -> Exported:
    """Export a model to an ONNX file, which appears once its outputs were found to agree with the model's.

    Args:
        model: name of a registered model or fusion.
        task: what it was trained for.
        output: the file.
        dataset: whose samples are compared; the task's default one if `None`.
        data: where the files of the data set are, if not where its card says.
        weights: a file written by `train`; if `None`, what was trained here, else what an installed package ships.
        options: how to export.

    Raises:
        UsageError: a name, an option or a file is wrong, or the model is of a kind that cannot be exported.
        HarnessError: the exporter fails on the model, or its graph does not agree with it; nothing is written.
    """
    options = options or ExportOptions()
    _check_options(options)
    _check_output(output)
    if ":" in model:
        raise UsageError(f"model {model!r} comes from elsewhere; {_CAN}")
    about = resolve_task(task)
    card = resolve_dataset(about, dataset, data)
    loaded = load_model(model, task, card.name, weights)
    check_fit(about.card, card, loaded.model)
    ability = _ability(loaded.model, about.card)
    samples = _samples(about, card, options.samples)
    graph, agreement = _graph(loaded.model, ability, samples, options)
    parameters = count_parameters(cast(nn.Module, loaded.model))
    _describe(graph, loaded, ability, parameters, options.precision)
    _write(output, graph)
    return Exported(
        output,
        ability,
        {each.name: _described(each) for each in graph.graph.input},
        _opset(graph),
        options.precision,
        output.stat().st_size,
        file_sha256(output),
        parameters,
        agreement,
    )


def _check_options(options: ExportOptions) -> None:
    """Raises UsageError: a package is missing, or there is no such opset."""
    onnx = needed("onnx", EXTRA, "mmbench export")
    for package in ("onnxscript", "onnxruntime"):
        needed(package, EXTRA, "mmbench export")
    newest = onnx.defs.onnx_opset_version()
    if options.opset is not None and not 1 <= options.opset <= newest:
        raise UsageError(f"--opset must be from 1 to {newest}, not {options.opset}")


def _check_output(output: Path) -> None:
    """Raises UsageError: a file cannot be there."""
    if output.is_dir():
        raise UsageError(f"--output must name a file, and {output} is a folder")
    folder = next(path for path in output.absolute().parents if path.exists())
    if not folder.is_dir():
        raise UsageError(f"cannot write {output}: {folder.name} is a file, not a folder")


def _ability(model: Model, card: TaskCard) -> Exportable:
    """What of a model can be exported.

    Raises:
        UsageError: nothing.
    """
    if not isinstance(model, nn.Module) or not isinstance(model, Stored):
        raise UsageError(f"model {model.name!r} is no torch.nn.Module that can be stored; {_CAN}")
    if not model.modalities:
        raise UsageError(f"model {model.name!r} reads no input, so there is no graph of it")
    has = abilities(model)
    options: tuple[Exportable, ...] = ("classify", "embed")
    for ability in options:
        if ability in has and ability in card.abilities:
            return ability
    raise UsageError(f"model {model.name!r} can {join_names(has)}, step after step and not by one graph; {_CAN}")


def _samples(task: Task, card: DatasetCard, count: int) -> list[Sample]:
    samples = head(task.load(card, card.default_split), count)
    if not len(samples):
        raise UsageError(f"{card.name} {card.default_split} has no samples to compare with")
    return [samples[index] for index in range(len(samples))]


def _graph(
    model: Model, ability: Exportable, samples: Sequence[Sample], options: ExportOptions
) -> tuple["ModelProto", Agreement]:
    """The graph of a model, and how near it is.

    Raises:
        UsageError: it cannot be had in the opset.
        HarnessError: it cannot be had at all, is too large for one file, or is wrong.
    """
    module = cast(nn.Module, model).eval()
    reference = Reference(model, ability, samples)
    module.to(getattr(torch, options.dtype))
    example = model.collate([samples[index % len(samples)] for index in range(_EXAMPLE)])
    graph = trace(model, ability, distinct(example), options.opset)
    if options.opset not in (None, _opset(graph)):
        raise UsageError(
            f"PyTorch writes {model.name!r} in opset {_opset(graph)}, not in {options.opset}; give that, or no --opset"
        )
    if graph.ByteSize() > _LARGEST:
        raise HarnessError(f"the graph takes {graph.ByteSize():,} bytes, and an ONNX file holds at most {_LARGEST:,}")
    agreement = _checked(reference, graph, options.dtype)
    if options.quantize:
        graph = quantised(graph)
        agreement = _checked(reference, graph, options.quantize)
    return graph, agreement


def _checked(reference: Reference, graph: "ModelProto", precision: str) -> Agreement:
    """Raises HarnessError: the graph is further from its model than its number format explains."""
    agreement = reference.compare(graph)
    if not agreement.within(_TOLERANCE[precision]):
        raise HarnessError(
            f"the exported graph ({precision}) gives other outputs than the model: they differ by up to "
            f"{agreement.difference:.2g} (the largest is {agreement.largest:.3g}); nothing was written"
        )
    return agreement


def _describe(
    graph: "ModelProto", loaded: LoadedModel, ability: Exportable, parameters: int, precision: Precision
) -> None:
    """Write into a graph what it is of."""
    model = loaded.model
    header = ONNXHeader(
        model=model.name,
        config=cast(Stored, model).stored_config(),
        ability=ability,
        labels=cast(Classifies, model).labels if ability == "classify" else (),
        precision=precision,
        parameters=parameters,
        weights=loaded.sha256,
        training=loaded.training,
    )
    needed("onnx.helper", EXTRA, "mmbench export").set_model_props(graph, {KEY: header.to_json()})


def _opset(graph: "ModelProto") -> int:
    return max(int(each.version) for each in graph.opset_import if each.domain in ("", "ai.onnx"))


def _described(value: "ValueInfoProto") -> str:
    """`uint8 [batch, 3, 64, 64]`."""
    kind = value.type.tensor_type
    name = needed("onnx.helper", EXTRA, "mmbench export").tensor_dtype_to_np_dtype(kind.elem_type).name
    return f"{name} [{', '.join(each.dim_param or str(each.dim_value) for each in kind.shape.dim)}]"


def _write(output: Path, graph: "ModelProto") -> None:
    """Write the whole file or none.

    Raises:
        HarnessError: it cannot be written.
    """
    temporary = output.with_name(f".{output.name}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(graph.SerializeToString())
        temporary.replace(output)
    except OSError as error:
        raise HarnessError(f"cannot write {output}: {error.strerror}") from error
    finally:
        with suppress(OSError):  # which was told above
            temporary.unlink(missing_ok=True)
