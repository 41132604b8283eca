"""The options of the verbs that run a model on a data set, and what they say together."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from mmbench.data.noise_summaries import noise_names
from mmbench.errors import UsageError

ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        help="A model or a fusion (`mmbench list models`), one from elsewhere as SCHEME:ARGUMENT "
        "(`mmbench list adapters`), or FILE.py:FACTORY.",
    ),
]
TaskOption = Annotated[str, typer.Option("--task", help="What to ask of it; `mmbench list tasks`.")]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", help="A data set of the task.", show_default="the task's default")
]
SplitOption = Annotated[
    str | None, typer.Option("--split", help="A split of it.", show_default="the data set's default")
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights", metavar="FILE", help="A file from `mmbench train`.", show_default="trained here, else shipped"
    ),
]
LimitOption = Annotated[int | None, typer.Option("--limit", help="Only the first samples.")]
BatchSizeOption = Annotated[str, typer.Option("--batch-size", metavar="N|auto", help="Samples at a time.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", help="Loader processes.", show_default="half of the cores, at most 8")
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ...")]
ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", help="PyTorch threads on the CPU.", show_default="the cores that workers leave"),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of everything that is random.")]
StageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--stage",
        metavar="NAME=MODULE",
        help="Time a module of the model as a stage, by its path in the model; several times.",
    ),
]
DropOption = Annotated[
    list[str] | None,
    typer.Option("--drop", metavar="MODALITY", help="Take a modality away from every sample; several times."),
]
ShuffleOption = Annotated[
    list[str] | None,
    typer.Option("--shuffle", metavar="MODALITY", help="Permute a modality between the samples; several times."),
]
NoiseOption = Annotated[
    list[str] | None,
    typer.Option(
        "--noise",
        metavar="MODALITY=NAME:LEVEL",
        help=f"Add noise of a level from 0 to 1, as image=gaussian:0.3; several times. {noise_names()}.",
    ),
]
OutputOption = Annotated[Path, typer.Option("--output", metavar="FOLDER", help="Where runs are stored.")]


class DType(StrEnum):
    """Number formats of a model."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


DTypeOption = Annotated[DType, typer.Option("--dtype", help="Number format of the model.")]


def parse_batch_size(text: str) -> int | Literal["auto"]:
    """What `--batch-size` says.

    Raises:
        UsageError: neither a number nor `auto`.
    """
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--batch-size takes a number or auto, not {text!r}") from None
