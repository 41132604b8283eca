"""Opening an ONNX file as `mmbench eval` does, and samples to ask."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from mmbench.adapter import LoadedModel, Opening
from mmbench.adapters.onnx.open import open_onnx
from mmbench.engine.open_model import labels_of
from mmbench.engine.resolve import resolve_dataset, resolve_task
from mmbench.sample import Sample


@pytest.fixture(autouse=True, scope="package")
def extra() -> None:
    """What all tests here need."""
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason="the extra `onnx` is not installed")


@pytest.fixture(scope="session")
def opened() -> Callable[..., LoadedModel]:
    """Opens a file for a task; more goes into `Opening`."""

    def open_file(path: Path, task: str = "vqa", **more: object) -> LoadedModel:
        found = resolve_task(task)
        card = resolve_dataset(found, None)
        return open_onnx(Opening(f"onnx:{path}", str(path), found.card, card, partial(labels_of, found, card), **more))

    return open_file


@pytest.fixture(scope="session")
def questions() -> list[Sample]:
    """Some of easy-VQA."""
    task = resolve_task("vqa")
    card = resolve_dataset(task, None)
    split = task.load(card, card.default_split)
    return [split[index] for index in range(0, len(split), len(split) // 30)]
