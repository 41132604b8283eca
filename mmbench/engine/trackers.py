"""Experiment trackers, which transformers writes to: TensorBoard, Weights & Biases, MLflow, trackio."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from mmbench.errors import UsageError

_FOLDER = "TENSORBOARD_LOGGING_DIR"  # where transformers' callback looks


def check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker that is not here.

    Raises:
        UsageError: says how to get it.
    """
    for name in names:
        spec = find_spec(name)
        if spec is None or spec.origin is None:  # a folder of that name, where earlier logs may lie, is no package
            raise UsageError(f"--log-to {name}: it is not installed; pip install {name}")


@contextmanager
def tensorboard_at(folder: Path) -> Iterator[None]:
    """Let TensorBoard write to `folder`, unless the environment says where.

    The other trackers take all of their settings from their own environment variables.
    """
    if _FOLDER in os.environ:
        yield
        return
    os.environ[_FOLDER] = str(folder)
    try:
        yield
    finally:
        del os.environ[_FOLDER]
