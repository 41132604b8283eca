"""`mmbench export`: a model to a file that other engines run."""

import shlex
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmbench.cli.console import DataOption, JsonOption, PluginOption, console, load_plugins, print_json
from mmbench.cli.run_options import DatasetOption, WeightsOption

if TYPE_CHECKING:
    from mmbench.engine.export import Exported


class Format(StrEnum):
    """File formats."""

    ONNX = "onnx"


class ExportDType(StrEnum):
    """Number formats of a file."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


class Quantization(StrEnum):
    """Number formats of its larger weights."""

    INT8 = "int8"


def export(
    model: Annotated[
        str, typer.Option("--model", help="A model or a fusion that classifies or embeds; `mmbench list models`.")
    ],
    task: Annotated[str, typer.Option("--task", help="What it was trained for.")],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="The file, as film.onnx.")],
    *,
    dataset: DatasetOption = None,
    data: DataOption = None,
    weights: WeightsOption = None,
    format_: Annotated[Format, typer.Option("--format", help="Of the file.")] = Format.ONNX,
    opset: Annotated[
        int | None, typer.Option("--opset", help="Version of the operators.", show_default="PyTorch's choice")
    ] = None,
    dtype: Annotated[
        ExportDType, typer.Option("--dtype", help="Number format of weights and arithmetic.")
    ] = ExportDType.FLOAT32,
    quantize: Annotated[
        Quantization | None,
        typer.Option(
            "--quantize",
            help="Linear and LSTM layers in 8 bits; an answer then depends a little on the other samples of its batch.",
        ),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", help="How many are compared with the model.")] = 64,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Export a model to an ONNX file, which `mmbench eval --model onnx:FILE` runs with onnxruntime.

    The file takes the tensors of a batch of any size and length, and is written only if it agrees with the model.
    """
    load_plugins(plugin)
    from mmbench.engine.export import ExportOptions
    from mmbench.engine.export import export as run

    options = ExportOptions(opset, dtype.value, quantize.value if quantize else None, samples)
    exported = run(model, task, output, dataset=dataset, data=data, weights=weights, options=options)
    words = [word for file in plugin or () for word in ("--plugin", str(file))]
    words += ["--model", f"{format_.value}:{output}", "--task", task]
    words += ["--dataset", dataset] if dataset else []
    words += ["--data", str(data)] if data else []
    if json:
        print_json(_as_json(exported))
    else:
        _print(exported, f"mmbench eval {shlex.join(words)}")


def _as_json(exported: "Exported") -> dict[str, Any]:
    return {
        "file": exported.path.as_posix(),
        "bytes": exported.size,
        "sha256": exported.sha256,
        "ability": exported.ability,
        "inputs": dict(exported.inputs),
        "opset": exported.opset,
        "precision": exported.precision,
        "parameters": exported.parameters,
        "compared": asdict(exported.agreement),
    }


def _print(exported: "Exported", then: str) -> None:
    """What was written, how near it is to the model, and the command that evaluates it."""
    from rich.markup import escape

    from mmbench.cli.units import memory

    out = console()
    told = f"{memory(exported.size)}, opset {exported.opset}, {exported.precision}, {exported.parameters:,} parameters"
    out.print(f"exported: {escape(str(exported.path))} ({told})", soft_wrap=True)
    inputs = ", ".join(f"{name} {shape}" for name, shape in exported.inputs.items())
    out.print(f"inputs:   {escape(inputs)}", soft_wrap=True)
    found = exported.agreement
    of = "logits" if exported.ability == "classify" else "vectors"
    near = f"by at most {found.difference:.2g} (the largest is {found.largest:.3g})"
    same = "" if found.same is None else f", {found.same} of {found.samples} predictions are the same"
    out.print(f"compared: {found.samples} samples: {of} differ from the model's {near}{same}")
    out.print(f"[dim]next: {escape(then)}[/]", soft_wrap=True)
