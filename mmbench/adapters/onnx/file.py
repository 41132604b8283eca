"""An ONNX file: what can be known of it before it is opened."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from math import prod
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mmbench.adapters.missing import needed
from mmbench.adapters.onnx.header import EXTRA, KEY, ONNXHeader
from mmbench.checkpoint import file_sha256, source_of
from mmbench.errors import UsageError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto


@dataclass(frozen=True, slots=True)
class ONNXFile:
    """A file that was read; weights that lie beside it were not.

    Attributes:
        model: what stands in it.
        header: what mmbench wrote into it; `None` in a file from elsewhere.
        opset: version of the operators.
        precision: number format of most of the weights.
        parameters: numbers in floating or quantised tensors that are stored in it.
        sha256: of the file, or of its hash and those of the files beside it.
    """

    path: Path
    model: "ModelProto" = field(repr=False)
    header: ONNXHeader | None
    opset: int
    precision: str
    parameters: int
    sha256: str

    @property
    def producer(self) -> str:
        """The exporter, as it names itself."""
        return f"{self.model.producer_name} {self.model.producer_version}".strip()

    @property
    def source(self) -> str:
        """The path as records may show it."""
        return source_of(self.path)


def read_file(path: Path) -> ONNXFile:
    """Read a file.

    Raises:
        UsageError: there is none, it is no ONNX file, its header is damaged, or weights beside it are missing.
    """
    onnx = needed("onnx", EXTRA, "--model onnx:FILE")
    if not path.is_file():
        raise UsageError(f"ONNX file {str(path)!r} does not exist")
    try:
        model: ModelProto = onnx.load(path, load_external_data=False)
    except Exception as error:  # what protobuf raises differs between its versions
        raise UsageError(f"{path} is no ONNX file, or a damaged one: {type(error).__name__}") from error
    if not model.graph.node:
        raise UsageError(f"{path} is no ONNX file: it holds no graph")
    metadata = {each.key: each.value for each in model.metadata_props}
    sizes: Counter[str] = Counter()
    for tensor in model.graph.initializer:
        sizes[onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).name] += prod(tensor.dims)
    numbers = Counter({name: count for name, count in sizes.items() if "float" in name or name in ("int8", "uint8")})
    return ONNXFile(
        path,
        model,
        ONNXHeader.from_json(metadata[KEY], path) if KEY in metadata else None,
        max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0),
        max(numbers, key=numbers.__getitem__, default="float32"),
        numbers.total(),
        _sha256(path, model),
    )


def _sha256(path: Path, model: "ModelProto") -> str:
    """Raises UsageError: weights that should lie beside the file are missing, or lie elsewhere."""
    stored = [*_tensors(model.graph), *(each for function in model.functions for each in _of_nodes(function.node))]
    beside = {entry.value for tensor in stored for entry in tensor.external_data if entry.key == "location"}
    if not beside:
        return file_sha256(path)
    digests = [bytes.fromhex(file_sha256(path))]
    for name in sorted(beside):
        part = PurePosixPath(name)
        if part.is_absolute() or ".." in part.parts:
            raise UsageError(f"{path} wants weights from {name!r}, outside its own folder; they must lie beside it")
        if not (path.parent / part).is_file():
            raise UsageError(f"{path} has its weights in {name!r}, which is not beside it")
        digests.append(bytes.fromhex(file_sha256(path.parent / part)))
    return sha256(b"".join(digests)).hexdigest()


def _tensors(graph: "GraphProto") -> Iterator["TensorProto"]:
    """All tensors that stand in a graph, those of its branches and loops included."""
    yield from graph.initializer
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: "Iterable[NodeProto]") -> Iterator["TensorProto"]:
    for attribute in (each for node in nodes for each in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for graph in (attribute.g, *attribute.graphs):
            yield from _tensors(graph)
