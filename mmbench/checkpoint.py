"""Weights on disk: safetensors whose header says how to build the model again. Never a pickle."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from mmbench.errors import HarnessError, UsageError

_FORMAT = 1
_KEY = "mmbench"
_PICKLES = (b"PK\x03\x04", b"\x80")  # torch.save writes a zip of pickles; older and plain pickles start with PROTO


@dataclass(frozen=True, slots=True)
class Header:
    """What a weights file says of itself.

    Attributes:
        model: the model's registered name.
        config: what `ModelFactory.restore` takes.
        training: how the weights came about (task, data set, seed, options, validation metric).
    """

    model: str
    config: dict[str, Any]
    training: dict[str, Any]


def save_weights(path: Path, module: nn.Module, header: Header, dtype: torch.dtype = torch.float32) -> None:
    """Write weights and header atomically: the file is whole or not there.

    Args:
        path: the file.
        module: whose parameters and buffers are written.
        header: what the file says of itself.
        dtype: of the numbers in the file that are float32 in the module; others stay as they are.

    Raises:
        HarnessError: it cannot be written, or a weight is too large for `dtype`.
    """
    content = {"format": _FORMAT, "model": header.model, "config": header.config, "training": header.training}
    # Keys stay in their order: a fusion reads modalities in the order that they stand in.
    text = json.dumps(content)
    # Cloned, since safetensors refuses tensors that share memory (tied weights).
    tensors = {name: _as_stored(name, tensor, dtype) for name, tensor in module.state_dict().items()}
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(to_bytes(tensors, metadata={_KEY: text}))
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise HarnessError(f"cannot write weights {path}: {error.strerror}") from error


def _as_stored(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    stored = tensor.detach().cpu().contiguous().clone()
    if stored.dtype == torch.float32 and dtype != torch.float32:
        stored = stored.to(dtype)
        if stored.isinf().any() and not tensor.isinf().any():
            raise HarnessError(f"{name} has weights too large for {dtype}; store float32 or bfloat16")
    return stored


def check_folder(folder: Path) -> None:
    """Find out before training whether weights can be written to `folder`, which is made.

    Raises:
        UsageError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"cannot write weights to {folder}: {error.strerror}") from error


def read_weights(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Read header and tensors.

    Raises:
        UsageError: missing, a pickle, truncated, not safetensors, or without mmbench's header.
    """
    if not path.is_file():
        raise UsageError(f"weights file {str(path)!r} does not exist")
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise UsageError(f"cannot read weights {path}: {error.strerror}") from error
    # A safetensors file is the length of its header in eight bytes, any of them, and the header, which is JSON.
    if start.startswith(_PICKLES) and start[8:] != b"{":
        raise UsageError(f"{path} is a pickle, which can run code when it is read; mmbench reads safetensors only")
    try:
        with safe_open(path, framework="pt") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            tensors = {name: cast("Tensor", file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118  # no mapping
    except SafetensorError as error:
        raise UsageError(f"{path} is not a whole safetensors file (truncated or damaged): {error}") from error
    if _KEY not in metadata:
        raise UsageError(f"{path} was not written by `mmbench train`: its header names no mmbench model")
    return _parse_header(metadata[_KEY], path), tensors


def _parse_header(text: str, path: Path) -> Header:
    try:
        content = json.loads(text)
        version, newer = content["format"], content["format"] > _FORMAT
        header = None if newer else Header(content["model"], dict(content["config"]), dict(content["training"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} has a damaged header: {type(error).__name__}: {error}") from error
    if header is None:
        raise UsageError(f"{path} has weights format {version}; this mmbench reads up to {_FORMAT}: upgrade mmbench")
    return header


def load_tensors(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put tensors into a module of exactly that architecture.

    Raises:
        UsageError: names or shapes differ; says which first.
    """
    own = module.state_dict()
    for name in sorted({*own, *tensors}):
        has = tuple(tensors[name].shape) if name in tensors else None
        needs = tuple(own[name].shape) if name in own else None
        if has != needs:
            raise UsageError(
                f"{path} is of another architecture: "
                f"{name} is {has if has is not None else 'absent'} there, "
                f"{needs if needs is not None else 'absent'} in the model"
            )
    module.load_state_dict(dict(tensors))


def source_of(path: Path) -> str:
    """A path as records may show it: relative to the working directory, or only its name."""
    absolute, here = path.resolve(), Path.cwd()
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else absolute.name


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
