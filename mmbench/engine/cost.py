"""The cost passes of a run: one after the other, never combined; one that fails leaves the others standing."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch
from torch import nn

from mmbench.engine.cost_options import CostOptions
from mmbench.engine.cost_passes import CostPasses
from mmbench.engine.cost_subject import make_subject
from mmbench.engine.progress import EvalProgress
from mmbench.engine.run import Run
from mmbench.errors import UsageError, one_line
from mmbench.part import Part
from mmbench.profile.malloc import settle_malloc
from mmbench.profile.module_stages import named_stages
from mmbench.profile.results import CostFailure, Passes, Stages

_PASSES: Mapping[str, Callable[[CostPasses], Part | None]] = {
    "static_memory": CostPasses.static_memory,
    "model_throughput": CostPasses.model_throughput,
    "latency": CostPasses.latency,
    "stages": CostPasses.stages,
    "generation": CostPasses.generation,
    "flops": CostPasses.flops,
    "model_memory": CostPasses.model_memory,
    "data": CostPasses.data,
    "roofline": CostPasses.roofline,
    "energy": CostPasses.energy,
    "sweep": CostPasses.sweep,
    "scenario": CostPasses.scenario,
    "trace": CostPasses.trace,
}
"""In the order in which they run; what each gives goes into the field of `Passes` of that name."""

_BETWEEN = ("latency", "stages", "generation", "flops")
"""Passes after which the throughput pass goes on: what every level runs before memory is measured."""

_ONLY_FULL = {"data", "roofline", "energy"}


def measure_cost(
    run: Run, batch_size: int, options: CostOptions, progress: EvalProgress
) -> tuple[Passes, Callable[[Path], None] | None]:
    """Run the passes that `options` ask for.

    Args:
        run: loaded; its model is on its device and in evaluation mode.
        batch_size: samples of a batch, at most.
        options: which passes.
        progress: told of each pass.

    Returns:
        What they found, and what writes the trace to a file where one was taken.

    Raises:
        HarnessError: no sample could be prepared.
    """
    settle_malloc()  # the memory pass changes how malloc works, which timings before and after it must not see
    with torch.inference_mode():
        passes = CostPasses(make_subject(run, batch_size), options)
        failures = []
        for name in _chosen(options):
            progress.cost_pass(name.replace("_", " "))
            failures += _try(name, partial(_run, passes, name), run)
            if name in _BETWEEN:
                failures += _try("model_throughput", passes.go_on, run)
    found = Passes(**passes.found, failures=failures + _unseen(passes.found.get("stages"), options.stages))
    return found, passes.write_trace


def _run(passes: CostPasses, name: str) -> None:
    if (part := _PASSES[name](passes)) is not None:
        passes.found[name] = part


def _try(name: str, work: Callable[[], None], run: Run) -> list[CostFailure]:
    """What failed; models are foreign code, and the scores and the other passes are worth keeping."""
    failures = []
    try:
        work()
    except Exception as error:
        failures.append(CostFailure(name=name, reason=one_line(error)))
    if failures and run.device.type == "cuda":
        with suppress(RuntimeError):  # after some errors the device does nothing any more
            torch.cuda.empty_cache()
    return failures


def check_stages(model: object, stages: Mapping[str, str]) -> None:
    """Refuse paths of modules that the model does not have, before anything runs.

    Raises:
        UsageError: which one; says the nearest.
    """
    if stages and not isinstance(model, nn.Module):
        raise UsageError("--stage names modules of a torch.nn.Module, which this model is not")
    with named_stages(model, stages):
        pass


def _unseen(stages: Part | None, named: Mapping[str, str]) -> list[CostFailure]:
    """Modules that shall be stages and were never called, as happens to one whose parts the model calls itself."""
    seen = {part.name for part in stages.stages} if isinstance(stages, Stages) else set(named)
    return [
        CostFailure(name="stages", reason=f"stage {name}: the model never calls its module {path}")
        for name, path in named.items()
        if name not in seen
    ]


def _chosen(options: CostOptions) -> list[str]:
    left_out = set() if options.level == "full" else set(_ONLY_FULL)
    if not options.batch_sizes:
        left_out.add("sweep")
    if options.scenario is None:
        left_out.add("scenario")
    if not options.trace:
        left_out.add("trace")
    return [name for name in _PASSES if name not in left_out]
