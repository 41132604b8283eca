"""Sessions of onnxruntime: where and how a graph runs, and tensors through it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from mmbench.adapters.missing import needed
from mmbench.adapters.onnx.header import EXTRA
from mmbench.errors import UsageError, first_line, unknown_name
from mmbench.profile.device import synchronize
from mmbench.profile.stage import stage

if TYPE_CHECKING:
    from onnx import ModelProto

Optimization = Literal["none", "basic", "extended", "all"]
"""How far onnxruntime rewrites a graph before it runs it."""

_LEVELS: Mapping[Optimization, str] = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""What runs a graph on a device."""

_NUMPY: Mapping[torch.dtype, type[np.generic]] = {
    torch.float32: np.float32,
    torch.float16: np.float16,
    torch.float64: np.float64,
    torch.int64: np.int64,
    torch.int32: np.int32,
    torch.uint8: np.uint8,
    torch.bool: np.bool_,
}

_ONLY_ERRORS = 3  # of the severities of onnxruntime's log


@dataclass(frozen=True, slots=True)
class Runtime:
    """How onnxruntime is used.

    Attributes:
        device: where batches lie.
        provider: of onnxruntime, that runs the graph; `None` for the device's own.
        optimization: how far the graph is rewritten.
    """

    device: torch.device
    provider: str | None = None
    optimization: Optimization = "all"

    def chosen(self) -> str:
        """The provider that is used.

        Raises:
            UsageError: there is none for the device, or it is not installed.
        """
        runtime = needed("onnxruntime", EXTRA, "--model onnx:FILE")
        available: list[str] = runtime.get_available_providers()
        if self.provider is not None:
            if self.provider not in available:
                raise unknown_name("provider of onnxruntime", self.provider, available)
            return self.provider
        wanted = _PROVIDERS.get(self.device.type)
        if wanted is None:
            known = " and ".join(_PROVIDERS)
            raise UsageError(f"onnx: runs on {known}, not on {self.device.type}; take --device cpu")
        if wanted not in available:
            raise UsageError(
                f"--device {self.device} needs onnxruntime with {wanted}, and this one has {', '.join(available)}: "
                "pip install onnxruntime-gpu in its place, or take --device cpu"
            )
        return wanted


class Session:
    """One graph with one output, opened.

    Attributes:
        inputs: ONNX type and shape by name; a dimension without a fixed size is a name or `None`.
        shape: of the output.
        release: give the host's memory back after each run, which onnxruntime else keeps for the next.
    """

    def __init__(self, graph: str | bytes, runtime: Runtime) -> None:
        """Open it; on the CPU with as many threads as PyTorch has.

        Args:
            graph: path of a file, or what stands in one.
            runtime: how it is run.

        Raises:
            UsageError: onnxruntime cannot run the graph, or not so.
        """
        library = needed("onnxruntime", EXTRA, "--model onnx:FILE")
        provider = runtime.chosen()
        options = library.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = _ONLY_ERRORS
        options.graph_optimization_level = getattr(library.GraphOptimizationLevel, _LEVELS[runtime.optimization])
        index = {"device_id": runtime.device.index or 0} if runtime.device.type == "cuda" else {}
        # What a provider cannot do is done on the CPU, as onnxruntime does by itself.
        providers = {provider: index, "CPUExecutionProvider": {}}
        try:
            # Any: the package states no types.
            self._session: Any = library.InferenceSession(graph, options, providers=[*providers.items()])
        except Exception as error:  # one class for each kind of failure, all of the compiled part
            raise UsageError(f"onnxruntime cannot open the graph: {first_line(error)}") from error
        self._session.disable_fallback()  # which would go on with another provider
        if provider not in self._session.get_providers():
            raise UsageError(
                f"onnxruntime has {provider} but could not start it (its libraries may be missing); take --device cpu"
            )
        self.inputs: dict[str, tuple[str, list[int | str | None]]] = {
            each.name: (each.type, each.shape) for each in self._session.get_inputs()
        }
        (output,) = self._session.get_outputs()
        self.shape: list[int | str | None] = output.shape
        self._output: str = output.name
        self._device = runtime.device
        self._shrinks = library.RunOptions()
        self._shrinks.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self.release = False

    def run(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The output of tensors by the names of the inputs; on the CPU, since there it is read."""
        binding = self._session.io_binding()
        held = {name: tensors[name].contiguous() for name in self.inputs}  # until it has run
        for name, tensor in held.items():
            where = tensor.device
            binding.bind_input(
                name, where.type, where.index or 0, _NUMPY[tensor.dtype], [*tensor.shape], tensor.data_ptr()
            )
        binding.bind_output(self._output, "cpu")
        synchronize(self._device)  # onnxruntime does not wait for copies that PyTorch has queued
        with stage("onnxruntime"):
            self._session.run_with_iobinding(binding, self._shrinks if self.release else None)
        (output,) = binding.copy_outputs_to_cpu()
        return torch.from_numpy(output)


@contextmanager
def releasing(sessions: Iterable[Session]) -> Iterator[None]:
    """Sessions give memory back after each run within."""
    held = [*sessions]
    for each in held:
        each.release = True
    try:
        yield
    finally:
        for each in held:
            each.release = False


def open_sessions(model: "ModelProto", runtime: Runtime, path: Path | None = None) -> dict[str, Session]:
    """A session for each output, which computes nothing else: onnxruntime always runs the whole of a graph.

    Args:
        model: the graph.
        runtime: how it is run.
        path: of its file, where it has one.

    Raises:
        UsageError: as of `Session`.
    """
    outputs = [each.name for each in model.graph.output]
    if len(outputs) == 1:
        return {outputs[0]: Session(str(path) if path else model.SerializeToString(), runtime)}
    return {name: Session(_part(model, name).SerializeToString(), runtime) for name in outputs}


def _part(model: "ModelProto", output: str) -> "ModelProto":
    """What of a graph one output takes."""
    extractor = needed("onnx.utils", EXTRA, "--model onnx:FILE").Extractor(model)
    part: ModelProto = extractor.extract_model([each.name for each in model.graph.input], [output])
    read = {name for node in part.graph.node for name in node.input}
    for unread in [each for each in part.graph.input if each.name not in read]:
        part.graph.input.remove(unread)
    return part
