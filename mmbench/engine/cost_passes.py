"""Each cost pass on the subject of a run: what it runs, on which input, and for how long."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from torch import nn

from mmbench.engine.cost_options import CostOptions
from mmbench.engine.cost_subject import Subject, prepare, shape_of
from mmbench.engine.data_cost import measure_data
from mmbench.engine.scenarios import run_scenario
from mmbench.errors import HarnessError
from mmbench.model import Batch, Generates, KeepsMemory
from mmbench.part import Part
from mmbench.profile.clock import make_clock
from mmbench.profile.energy import measure_energy
from mmbench.profile.flops import count_flops
from mmbench.profile.generation import measure_generation
from mmbench.profile.latency import measure_latency
from mmbench.profile.memory_pass import measure_memory
from mmbench.profile.module_stages import named_stages
from mmbench.profile.peak import measure_peak
from mmbench.profile.results import (
    DataCost,
    Energy,
    FlopsPass,
    Generation,
    Latency,
    MemoryPass,
    Roofline,
    Scenario,
    Stages,
    StaticMemory,
    Sweep,
    SweepPoint,
    ThroughputPass,
    WarmUp,
)
from mmbench.profile.roofline import roofline
from mmbench.profile.stage_pass import measure_stages
from mmbench.profile.static_memory import static_memory
from mmbench.profile.steady import warm_up
from mmbench.profile.sweep import sweep
from mmbench.profile.throughput import LEAST_BLOCKS, Throughput
from mmbench.profile.trace import trace

_SWEEP_BATCHES = 4
"""Batches of each size of a sweep."""

_ROUNDS = 5
"""Rounds of the throughput pass, the other passes between them."""

_PATIENCE = 4.0
"""Times the seconds of a pass that one of a slow model may take."""

_ITERATIONS, _FEWEST_ITERATIONS = 20, 4
"""Recorded iterations of the stage pass."""


class CostPasses:
    """The passes, and what those before have found.

    Attributes:
        found: by the field of `Passes`.
        write_trace: writes the trace to a file, where one was taken.
    """

    def __init__(self, subject: Subject, options: CostOptions) -> None:
        self.found: dict[str, Part] = {}
        self.write_trace: Callable[[Path], None] | None = None
        self._subject = subject
        self._options = options
        self._model = subject.run.model
        self._device = subject.run.device
        self._clock = make_clock(subject.run.device)
        self._seconds = options.budget.pass_s
        self._most_s = _PATIENCE * options.budget.pass_s
        self._warm: dict[object, WarmUp] = {}
        self._meter: Throughput[Batch] | None = None
        self._rounds = 0

    def static_memory(self) -> StaticMemory | None:
        """What the model itself takes."""
        return static_memory(self._model)

    def model_throughput(self) -> ThroughputPass:
        """The model alone on batches of the run's size: the first of the rounds, which `go_on` adds to."""
        batches = self._subject.placed(self._subject.batches)
        self.warm_up(batches)
        self._meter = self._make_meter(batches)
        return self._round(self._meter)

    def go_on(self) -> None:
        """Another round of the throughput pass: rounds that lie apart see more of what else the machine does."""
        if self._meter is not None:
            found = self._round(self._meter)
            self.found["model_throughput"] = found
            if self._rounds == _ROUNDS or sum(found.block_s) > self._most_s:
                self._meter = None  # and its batches

    def latency(self) -> Latency:
        """Single samples, one at a time."""
        subject, requests = self._subject, self._subject.placed(self._subject.requests)
        return measure_latency(
            subject.work,
            requests,
            wait=subject.wait,
            seconds=self._seconds,
            most_s=self._most_s,
            warm_up=self.warm_up(requests),
        )

    def stages(self) -> Stages:
        """Stages on the batches of the throughput pass."""
        return self._stages(self._subject.batches)

    def generation(self) -> Generation | None:
        """Tokens of single requests; `None` for a model that makes none."""
        if not isinstance(self._model, Generates):
            return None
        requests = self._subject.placed(self._subject.requests)
        with named_stages(self._model, self._options.stages):
            return measure_generation(self._subject.work, requests, self._clock, most_s=self._most_s)

    def flops(self) -> FlopsPass | None:
        """Work of one batch; `None` of an engine that does it out of PyTorch's sight."""
        (batch,) = self._subject.placed(self._subject.batches[:1])
        with named_stages(self._model, self._options.stages):
            found = count_flops(self._subject.work, batch, batch_size=batch.size)
        seen = isinstance(self._model, nn.Module) or found.flops or found.not_counted
        return found if seen else None

    def model_memory(self) -> MemoryPass:
        """Peaks of one batch, no other on the device."""
        with named_stages(self._model, self._options.stages):
            return self._memory(self._subject.batches[0])

    def data(self) -> DataCost:
        """From files to the device."""
        return measure_data(self._subject, most_s=self._most_s)

    def roofline(self) -> Roofline | None:
        """Stages of the batch whose work was counted against what this machine can do."""
        flops = self.found.get("flops")
        if not isinstance(flops, FlopsPass) or not flops.flops:
            return None
        times = self._stages(self._subject.batches[:1])
        peak = measure_peak(self._device, getattr(torch, self._subject.run.options.dtype))
        seconds = {stage.name: stage.seconds.value for stage in times.stages}
        return roofline(flops, seconds, peak, whole_s=times.plain.value)

    def energy(self) -> Energy | None:
        """From a counter of the machine; `None` where there is none."""
        subject, batches = self._subject, self._subject.placed(self._subject.batches)
        return measure_energy(
            subject.work,
            batches,
            [batch.size for batch in batches],
            wait=subject.wait,
            seconds=self._seconds,
            device=self._device,
        )

    def sweep(self) -> Sweep:
        """Throughput and memory by batch size."""
        return sweep(self._sweep_point, self._options.batch_sizes)

    def scenario(self) -> Scenario | None:
        """Requests as they arrive in service."""
        return run_scenario(self._subject, self._options, self.warm_up, most_s=self._most_s)

    def trace(self) -> None:
        """What a profiler sees of a few batches; goes into a file of its own."""
        batches = self._subject.placed(self._subject.batches)
        with named_stages(self._model, self._options.stages):
            self.write_trace = trace(self._subject.work, batches, self._device)

    def warm_up(self, batches: Sequence[Batch]) -> list[WarmUp]:
        """Of each shape among batches that are on the device, in order; a shape that is warm is left alone."""
        shapes = {shape_of(batch): batch for batch in reversed(batches)}
        cold = {shape: batch for shape, batch in reversed(shapes.items()) if shape not in self._warm}
        budget = self._options.budget
        for shape, batch in cold.items():
            self._warm[shape] = warm_up(
                partial(self._subject.work, batch),
                wait=self._subject.wait,
                least_s=budget.warm_up_s / len(cold),
                most_s=budget.most_warm_up_s / len(cold),
            )
        return [self._warm[shape] for shape in reversed(shapes)]

    def _sweep_point(self, size: int) -> SweepPoint:
        subject = self._subject
        prepared = prepare(subject.run, size, _SWEEP_BATCHES)
        size = prepared[0].size  # less where no batch of that size can be decoded
        peak_bytes = self._peak_bytes(prepared[0])
        batches = subject.placed(prepared)
        self.warm_up(batches)
        meter = self._make_meter(batches)
        meter.run(self._seconds, least_blocks=LEAST_BLOCKS, most_s=self._most_s)
        speed = meter.result().samples_per_s
        return SweepPoint(
            batch_size=batches[0].size,
            samples_per_s=speed,
            latency_s=batches[0].size / speed.value,
            peak_bytes=peak_bytes,
        )

    def _peak_bytes(self, batch: Batch) -> int | None:
        """With that batch alone on the device; `None` where it cannot be measured."""
        try:
            return self._memory(batch).peak_bytes
        except HarnessError:
            return None

    def _memory(self, batch: Batch) -> MemoryPass:
        """Of a batch, with what an engine keeps from batch to batch given back before it.

        Raises:
            HarnessError: nothing counts the memory of this device, or of an engine on it.
        """
        if self._device.type != "cpu" and not isinstance(self._model, nn.Module):
            raise HarnessError(
                f"the model computes outside PyTorch, which counts its own memory of {self._device} only"
            )
        (placed,) = self._subject.placed([batch])
        with self._model.releasing() if isinstance(self._model, KeepsMemory) else nullcontext():
            return measure_memory(self._subject.work, placed, batch_size=batch.size, device=self._device)

    def _make_meter(self, batches: Sequence[Batch]) -> Throughput[Batch]:
        subject = self._subject
        return Throughput(subject.work, batches, [batch.size for batch in batches], wait=subject.wait)

    def _round(self, meter: Throughput[Batch]) -> ThroughputPass:
        self._rounds += 1
        meter.run(self._seconds / _ROUNDS, least_blocks=LEAST_BLOCKS // _ROUNDS, most_s=self._most_s / _ROUNDS)
        return meter.result(self.warm_up(self._subject.batches))

    def _stages(self, batches: Sequence[Batch]) -> Stages:
        placed = self._subject.placed(batches)
        warm = self.warm_up(placed)
        with named_stages(self._model, self._options.stages):
            return measure_stages(
                self._subject.work,
                placed,
                batch_size=self._subject.batch_size,
                clock=self._clock,
                warm_up=warm,
                iterations=self._iterations(),
                min_seconds=self._seconds,
            )

    def _iterations(self) -> int:
        """Of the stage pass, at least: twenty, or fewer where a batch takes so long that they would take for ever."""
        speed = self.found.get("model_throughput")
        if not isinstance(speed, ThroughputPass):
            return _FEWEST_ITERATIONS
        batch_s = speed.batch_size / speed.samples_per_s.value
        return max(_FEWEST_ITERATIONS, min(_ITERATIONS, int(self._most_s / batch_s)))
