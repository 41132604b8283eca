"""The course of a training run on disk: one JSON line an epoch, and a plot."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

from mmbench.engine.progress import Epoch
from mmbench.errors import HarnessError


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """One line an epoch: its number, the training loss, the validation metrics, and whether it is the best.

    Raises:
        HarnessError: it cannot be written.
    """
    lines = [json.dumps(asdict(epoch), sort_keys=True, allow_nan=False) for epoch in history]
    _replace(path, "".join(f"{line}\n" for line in lines).encode())


def write_curves(path: Path, title: str, history: Sequence[Epoch], metrics: Sequence[str]) -> None:
    """An SVG of the training loss, and of each named validation metric, over the epochs; the best epoch is marked.

    The same history gives the same bytes.

    Raises:
        HarnessError: it cannot be written.
    """
    from matplotlib import style  # noqa: PLC0415  # takes half a second, and only training draws
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    epochs = [epoch.number for epoch in history]
    best = next((epoch.number for epoch in history if epoch.is_best), None)
    curves: dict[str, Any] = {"training loss": [epoch.loss for epoch in history]}
    curves |= {f"validation {name}": [epoch.metrics.get(name) for epoch in history] for name in metrics}
    buffer = BytesIO()
    # The style of this file alone, whatever the user's is; the salt makes names within the file the same each time.
    with style.context(["default", {"svg.hashsalt": "mmbench"}]):
        figure = Figure(figsize=(4.0 * len(curves), 3.2), layout="constrained")
        for axes, (name, values) in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True):
            axes.plot(epochs, [float("nan") if value is None else value for value in values], marker=".")
            axes.set(title=name, xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(alpha=0.3)
            if best is not None:
                axes.axvline(best, linestyle="--", color="gray", linewidth=1)
        figure.suptitle(title)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    _replace(path, buffer.getvalue())


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise HarnessError(f"cannot write {path}: {error.strerror}") from error
