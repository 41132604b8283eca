"""`--model onnx:FILE`: a model in an ONNX file, run by onnxruntime."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from mmbench.adapter import LoadedModel, Opening, takes
from mmbench.adapters.missing import needed
from mmbench.adapters.onnx.file import ONNXFile, read_file
from mmbench.adapters.onnx.header import EXTRA, ONNXHeader
from mmbench.adapters.onnx.image import EXPECTED, ImageClassifier, Pixels, input_size
from mmbench.adapters.onnx.model import ONNXClassifier, ONNXEmbedder, restored
from mmbench.adapters.onnx.session import Optimization, Runtime, open_sessions
from mmbench.errors import UsageError, join_names
from mmbench.model import Model
from mmbench.setting import read_settings

_OF_IMAGES = ("size", "crop", "mean", "std")
"""Settings that say what a file from elsewhere does not."""


@dataclass(frozen=True, slots=True)
class ONNXOptions:
    """Settings of `onnx:`.

    Attributes:
        graph_optimization: how far onnxruntime rewrites the graph before it runs it.
        provider: of onnxruntime, as it calls it (`OpenVINOExecutionProvider`); by default that of the device.
        size: side in pixels that images are resized to, for a classifier from elsewhere that takes any.
        crop: for such a classifier, the side of the middle square that it gets, as a share of the shorter side (0.875);
            by default it gets the whole image.
        mean, std: for such a classifier, which gets (x - mean) / std of each channel of RGB from 0 to 1.
    """

    graph_optimization: Optimization = "all"
    provider: str | None = None
    size: Annotated[int, Field(ge=1)] | None = None
    crop: Annotated[float, Field(gt=0, le=1)] | None = None
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


@takes(ONNXOptions)
def open_onnx(opening: Opening) -> LoadedModel:
    """A model in an ONNX file, run by onnxruntime: of `mmbench export`, or an image classifier from elsewhere.

    A classifier from elsewhere has one input [N, 3, H, W] of floats and one output [N, C], logits of the data set's
    classes in the order of its card, else sorted; options say how images become its input.

    Raises:
        UsageError: there is no such file, onnxruntime cannot run it here, or its inputs or number format are others.
    """
    options = ONNXOptions(**read_settings("adapter 'onnx'", ONNXOptions, opening.settings))
    file = read_file(Path(opening.argument).expanduser())
    name = f"onnx:{file.path.name}"
    precision = file.header.precision if file.header else file.precision
    if opening.dtype not in ("float32", precision):
        raise UsageError(f"{name} is {precision}, as it was exported; leave out --dtype {opening.dtype}")
    runtime = Runtime(opening.device, options.provider, options.graph_optimization)
    if file.header is not None:
        model, own = _exported(file, file.header, name, runtime, options)
    else:
        model, own = _foreign(file, name, runtime, options, opening)
    config = {
        **own,
        "precision": precision,
        "opset": file.opset,
        "producer": file.producer,
        "engine": f"onnxruntime {needed('onnxruntime', EXTRA, name).__version__}",
        "provider": runtime.chosen(),
        "graph_optimization": options.graph_optimization,
    }
    training = file.header.training if file.header else {}
    return LoadedModel(model, config, file.source, file.sha256, training, placed=True, parameters=own["parameters"])


def _exported(
    file: ONNXFile, header: ONNXHeader, name: str, runtime: Runtime, options: ONNXOptions
) -> tuple[Model, dict[str, Any]]:
    """A model of `mmbench export`, and what a record tells of it."""
    default = ONNXOptions()
    if given := [each for each in _OF_IMAGES if getattr(options, each) != getattr(default, each)]:
        raise UsageError(f"{name} says itself how its inputs are made; leave out {join_names(given)}")
    original = restored(header)
    sessions = open_sessions(file.model, runtime, file.path)
    told = {
        "model": header.model,
        "config": header.config,
        "weights_sha256": header.weights,
        "parameters": header.parameters,
    }
    if header.ability == "embed":
        return ONNXEmbedder(name, original, sessions), told
    return ONNXClassifier(name, original, sessions, header.labels), told


def _foreign(
    file: ONNXFile, name: str, runtime: Runtime, options: ONNXOptions, opening: Opening
) -> tuple[Model, dict[str, Any]]:
    """A classifier from elsewhere, and what a record tells of it."""
    outputs = [each.name for each in file.model.graph.output]
    if len(outputs) != 1:
        raise UsageError(f"{name} has outputs {join_names(outputs)}; {EXPECTED}")
    (session,) = open_sessions(file.model, runtime, file.path).values()
    height, width = input_size(session, options.size, name)
    pixels = Pixels(height, width, options.crop, options.mean, options.std)
    model = ImageClassifier(name, opening.labels(), session, pixels)
    return model, {"pixels": asdict(pixels), "labels": list(model.labels), "parameters": file.parameters}
