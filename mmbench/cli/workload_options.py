"""The options that say what both sides of a gate run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmbench.cli.console import DataOption, PluginOption
from mmbench.cli.run_options import (
    DatasetOption,
    DType,
    DTypeOption,
    LimitOption,
    ModelOption,
    SplitOption,
    TaskOption,
    WeightsOption,
)
from mmbench.cli.together import REQUIRED, together
from mmbench.gate.workload import Workload

_DEFAULTS = Workload("", "")


def _workload(
    *,
    data: Path | None,
    weights: Path | None,
    plugin: list[Path] | None,
    dtype: DType,
    option: list[str] | None,
    **plain: Any,
) -> Workload:
    return Workload(
        data=None if data is None else str(data),
        weights=None if weights is None else str(weights),
        plugins=tuple(map(str, plugin or ())),
        dtype=dtype.value,
        settings=tuple(option or ()),
        **plain,
    )


takes_workload = together(
    "workload",
    {
        "model": (ModelOption, REQUIRED),
        "task": (TaskOption, REQUIRED),
        "dataset": (DatasetOption, None),
        "split": (SplitOption, None),
        "data": (DataOption, None),
        "weights": (WeightsOption, None),
        "option": (
            Annotated[
                list[str] | None,
                typer.Option(
                    "--option", metavar="OPTION=VALUE", help="An option of the adapter of a model from elsewhere."
                ),
            ],
            None,
        ),
        "limit": (LimitOption, None),
        "batch_size": (
            Annotated[int, typer.Option("--batch-size", help="Samples at a time.")],
            _DEFAULTS.batch_size,
        ),
        "device": (Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ...")], _DEFAULTS.device),
        "dtype": (DTypeOption, DType.FLOAT32),
        "threads": (Annotated[int, typer.Option("--threads", help="PyTorch threads on the CPU.")], _DEFAULTS.threads),
        "plugin": (PluginOption, None),
    },
    _workload,
)
"""Gives a verb these options, and `workload` made of them."""
