"""Each cost pass on the subject of a run: what it runs, on which input, and for how long."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import torch

from mmbench.engine.cost_options import CostOptions
from mmbench.engine.cost_subject import Subject, prepare, shapes, spread
from mmbench.engine.data_cost import measure_data
from mmbench.engine.loader import Plan, plan_batches
from mmbench.engine.scenarios import run_scenario
from mmbench.model import Batch, Generates
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
        self._meter: Throughput[Batch] | None = None
        self._warmed: list[WarmUp] = []

    def static_memory(self) -> StaticMemory | None:
        """What the model itself takes."""
        return static_memory(self._model)

    def model_throughput(self) -> ThroughputPass:
        """The model alone on batches of the run's size: the first of the rounds, which `between` goes on with."""
        batches = self._subject.batches
        self._warmed = self._warm_up(batches)
        self._meter = self._make_meter(batches)
        return self._round(self._meter)

    def between(self) -> None:
        """Another round of the throughput pass: rounds that lie apart see more of what else the machine does."""
        if self._meter is not None:
            self.found["model_throughput"] = self._round(self._meter)

    def _round(self, meter: Throughput[Batch]) -> ThroughputPass:
        seconds = self._options.budget.pass_s / _ROUNDS
        meter.run(seconds, least_blocks=LEAST_BLOCKS // _ROUNDS, most_s=_PATIENCE * seconds)
        return meter.result(self._warmed)

    def latency(self) -> Latency:
        """Single samples, one at a time."""
        subject = self._subject
        return measure_latency(
            subject.work,
            subject.requests,
            wait=subject.wait,
            seconds=self._options.budget.pass_s,
            most_s=_PATIENCE * self._options.budget.pass_s,
            warm_up=self._warm_up(subject.requests),
        )

    def stages(self) -> Stages:
        """Stages on the batches of the throughput pass, which are warm."""
        return self._stages(self._subject.batches)

    def generation(self) -> Generation | None:
        """Tokens of single requests; `None` for a model that makes none."""
        if not isinstance(self._model, Generates):
            return None
        with named_stages(self._model, self._options.stages):
            return measure_generation(self._subject.work, self._subject.requests, self._clock)

    def model_memory(self) -> MemoryPass:
        """Peaks of one batch."""
        subject = self._subject
        with named_stages(self._model, self._options.stages):
            batch = subject.batches[0]
            return measure_memory(subject.work, batch, batch_size=batch.size, device=self._device)

    def flops(self) -> FlopsPass:
        """Work of one batch."""
        with named_stages(self._model, self._options.stages):
            batch = self._subject.batches[0]
            return count_flops(self._subject.work, batch, batch_size=batch.size)

    def data(self) -> DataCost:
        """From files to the device."""
        return measure_data(self._subject)

    def roofline(self) -> Roofline | None:
        """Stages of the batch whose work was counted against what this machine can do."""
        flops = cast("FlopsPass | None", self.found.get("flops"))
        if flops is None or not flops.flops:
            return None
        times = self._stages(self._subject.batches[:1])
        peak = measure_peak(self._device, getattr(torch, self._subject.run.options.dtype))
        seconds = {stage.name: stage.seconds.value for stage in times.stages}
        return roofline(flops, seconds, peak, whole_s=times.plain.value)

    def energy(self) -> Energy | None:
        """From a counter of the machine; `None` where there is none."""
        subject = self._subject
        return measure_energy(
            subject.work,
            subject.batches,
            [batch.size for batch in subject.batches],
            wait=subject.wait,
            seconds=self._options.budget.pass_s,
            device=self._device,
        )

    def sweep(self) -> Sweep:
        """Throughput and memory by batch size."""
        return sweep(self._sweep_point, self._options.batch_sizes)

    def scenario(self) -> Scenario | None:
        """Requests as they arrive in service."""
        return run_scenario(self._subject, self._options, self._warm_up)

    def trace(self) -> None:
        """What a profiler sees of a few batches; goes into a file of its own."""
        with named_stages(self._model, self._options.stages):
            self.write_trace = trace(self._subject.work, self._subject.batches, self._device)

    def _sweep_point(self, size: int) -> SweepPoint:
        run = self._subject.run
        order = plan_batches(run.samples, run.model, size).order
        plan = Plan(order[: len(order) // size * size], size)
        batches = prepare(run, plan, spread(len(plan), _SWEEP_BATCHES))
        warmed, meter = self._warm_up(batches), self._make_meter(batches)
        seconds = self._options.budget.pass_s
        meter.run(seconds, least_blocks=LEAST_BLOCKS, most_s=_PATIENCE * seconds)
        speed = meter.result(warmed)
        memory = measure_memory(self._subject.work, batches[0], batch_size=size, device=self._device)
        return SweepPoint(
            batch_size=size,
            samples_per_s=speed.samples_per_s,
            latency_s=size / speed.samples_per_s.value,
            peak_bytes=memory.peak_bytes,
        )

    def _make_meter(self, batches: Sequence[Batch]) -> Throughput[Batch]:
        subject = self._subject
        return Throughput(subject.work, batches, [batch.size for batch in batches], wait=subject.wait)

    def _stages(self, batches: Sequence[Batch]) -> Stages:
        with named_stages(self._model, self._options.stages):
            return measure_stages(
                self._subject.work,
                batches,
                batch_size=max(batch.size for batch in batches),
                clock=self._clock,
                warm_up=self._warm_up(batches),
                iterations=self._iterations(),
                min_seconds=self._options.budget.pass_s,
            )

    def _iterations(self) -> int:
        """Of the stage pass, at least: twenty, or fewer where a batch takes so long that they would take for ever."""
        speed = self.found.get("model_throughput")
        if not isinstance(speed, ThroughputPass):
            return _FEWEST_ITERATIONS
        batch_s = speed.batch_size / speed.samples_per_s.value
        fitting = int(_PATIENCE * self._options.budget.pass_s / batch_s)
        return max(_FEWEST_ITERATIONS, min(_ITERATIONS, fitting))

    def _warm_up(self, batches: Sequence[Batch]) -> list[WarmUp]:
        """Of each shape among batches, within the budget for all of them."""
        distinct, budget = shapes(batches), self._options.budget
        return [
            warm_up(
                self._work_on(batch),
                wait=self._subject.wait,
                least_s=budget.warm_up_s / len(distinct),
                most_s=budget.most_warm_up_s / len(distinct),
            )
            for batch in distinct
        ]

    def _work_on(self, batch: Batch) -> Callable[[], object]:
        return lambda: self._subject.work(batch)
