"""The pass that times stages: recorded iterations beside plain ones, on the same batches.

A recorded iteration has marks at every stage's begin and end, a plain one only around the whole. Both alternate in the
order plain, recorded, recorded, plain, each four of them on one batch, so that a drift of the machine falls on both;
what recording costs shows as `sum_to_plain`.

On a device with a queue the time of a stage is that between two events on its stream, so with what the device idled in
between, waiting for the host. Work that reads its answers back, as a task's does, empties the queue at the end of each
iteration: the next begins on an idle device, and until the host is ahead its stages take as long as their launches.
Where a stage's seconds are about its `host_s`, the host sets the pace or the stage waits for the device itself; where
they are more, the device sets it. Events cannot tell idle from busy: a trace can.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mmbench.errors import HarnessError
from mmbench.profile.clock import Clock
from mmbench.profile.estimate import BLOCKS, LEVEL, autocorrelation_widening
from mmbench.profile.results import Estimate, Stages, StageTime, WarmUp
from mmbench.profile.stage import OTHER, observed
from mmbench.profile.stage_times import SelfTime, StageTimes, settling, whole
from mmbench.quantiles import student_t

B = TypeVar("B")
Floats = NDArray[np.float64]

_BLOCKS = 2
"""Of four iterations, in a round, at the end of which the device is waited for and its events are read."""

_FEWEST = 3
"""Blocks without which there is no interval."""

_ABSENT = SelfTime(0.0, 0.0, 0)


def measure_stages(
    work: Callable[[B], object],
    batches: Sequence[B],
    *,
    batch_size: int,
    clock: Clock,
    warm_up: Sequence[WarmUp] = (),
    iterations: int = 20,
    min_seconds: float = 1.0,
    max_iterations: int = 500,
) -> Stages:
    """Time the stages that `work` marks; it has been warmed up on every batch.

    Values are interquartile means: of the iterations whose whole time lies in the middle half, the mean. So a few
    disturbed iterations move nothing, and since all stages are averaged over the same iterations their values add up
    to that of the whole. Where batches differ in work this is the mean of those of middling work.

    Intervals: Student's t over the same means of consecutive blocks of rounds, widened by their autocorrelation, as in
    `estimate`.

    Args:
        work: puts one batch to the model.
        batches: on the model's device; used in turn.
        batch_size: samples of a batch, for the record.
        clock: of the device.
        warm_up: what ran before, for the record.
        iterations: recorded iterations at least, and as many plain ones.
        min_seconds: go on until all of both took so long ...
        max_iterations: ... or there are so many of each; both in whole rounds of four.

    Raises:
        ValueError: there is no batch.
        HarnessError: the clock saw no time pass.
    """
    if not batches:
        raise ValueError("stages need a batch to be timed on")
    taken = _Taken()
    while len(taken.plain) < max(iterations, 1) or (taken.seconds < min_seconds and len(taken.plain) < max_iterations):
        _round(work, [batches[(taken.blocks + block) % len(batches)] for block in range(_BLOCKS)], clock, taken)
        taken.blocks += _BLOCKS
    return _result(taken, batch_size, warm_up)


@dataclass
class _Taken:
    """Seconds of each plain iteration, self times of each recorded one, and how many blocks they came from."""

    plain: list[float] = field(default_factory=list)
    recorded: list[dict[str, SelfTime]] = field(default_factory=list)
    blocks: int = 0

    @property
    def wholes(self) -> list[float]:
        """Seconds of each recorded iteration."""
        return [sum(time.seconds for time in times.values()) for times in self.recorded]

    @property
    def seconds(self) -> float:
        """Of all iterations of both kinds."""
        return sum(self.plain) + sum(self.wholes)


def _round(work: Callable[[B], object], batches: Sequence[B], clock: Clock, taken: _Taken) -> None:
    """Plain, recorded, recorded, plain on each batch; waited for and read once at the end."""
    plain: list[StageTimes] = []
    recorded: list[StageTimes] = []
    try:
        with settling(clock):
            for batch in batches:
                for record in (False, True, True, False):
                    times = StageTimes(clock)
                    (recorded if record else plain).append(times)
                    _iteration(work, batch, times, record)
        taken.plain += [times.seconds[OTHER][0] for times in plain]
        taken.recorded += [times.self_times for times in recorded]
    finally:
        clock.release()


def _iteration(work: Callable[[B], object], batch: B, times: StageTimes, record: bool) -> None:
    if record:
        with observed(times), whole(times):
            work(batch)
    else:
        with whole(times):
            work(batch)


def _result(taken: _Taken, batch_size: int, warm_up: Sequence[WarmUp]) -> Stages:
    names = list(dict.fromkeys(name for times in taken.recorded for name in times if name != OTHER))
    names.append(OTHER)
    found = [[times.get(name, _ABSENT) for name in names] for times in taken.recorded]
    seconds = np.array([[time.seconds for time in row] for row in found])
    wholes = seconds.sum(axis=1)
    estimates = estimate_together(wholes, seconds, taken.blocks // _BLOCKS)
    host = interquartile_mean(wholes, np.array([[time.host_s for time in row] for row in found]))
    calls = interquartile_mean(wholes, np.array([[float(time.calls) for time in row] for row in found]))
    measured = np.array(taken.plain)
    (plain,) = estimate_together(measured, measured[:, None], taken.blocks // _BLOCKS)
    if plain.value == 0.0:
        raise HarnessError("the work took no time that the clock could see, so its stages have no shares")
    sum_s = sum(estimate.value for estimate in estimates)
    return Stages(
        batch_size=batch_size,
        stages=[
            StageTime(
                name=name,
                seconds=estimates[place],
                host_s=float(host[place]),
                calls=float(calls[place]),
                iteration_s=seconds[:, place].tolist(),
            )
            for place, name in enumerate(names)
        ],
        plain_s=taken.plain,
        plain=plain,
        sum_s=sum_s,
        sum_to_plain=sum_s / plain.value,
        warm_up=list(warm_up),
    )


def interquartile_mean(wholes: Floats, values: Floats) -> Floats:
    """Mean [S] of the rows of values [N, S] whose wholes [N] lie in the middle half.

    The rows at its edges count with the share of them that lies within, so that N need not be a multiple of four.
    """
    count = len(wholes)
    edges: Floats = np.clip(np.arange(count + 1, dtype=np.float64), count / 4, 3 * count / 4)
    weights: Floats = (edges[1:] - edges[:-1]) / (count / 2)
    means: Floats = weights @ values[np.argsort(wholes, kind="stable")]
    return means


def estimate_together(wholes: Floats, values: Floats, rounds: int) -> list[Estimate]:
    """Interquartile means of values [N, S] by their wholes [N], with intervals from how blocks of rounds differ.

    Args:
        wholes: seconds of each iteration, in order.
        values: what is averaged.
        rounds: of N / rounds iterations each.
    """
    means = interquartile_mean(wholes, values)
    blocks = np.array_split(np.arange(len(wholes)).reshape(rounds, -1), min(rounds, BLOCKS))
    reach: list[float] | None = None
    if len(blocks) >= _FEWEST:
        each = np.stack([interquartile_mean(wholes[rows.ravel()], values[rows.ravel()]) for rows in blocks])
        widening = np.array([autocorrelation_widening(column) for column in each.T])
        error = each.std(axis=0, ddof=1) / math.sqrt(len(blocks)) * widening
        reach = (student_t(LEVEL, len(blocks) - 1) * error).tolist()
    return [
        Estimate(
            value=value,
            low=None if reach is None else max(value - reach[place], 0.0),
            high=None if reach is None else value + reach[place],
            level=LEVEL,
            n=len(blocks),
            method="mean over the iterations whose whole time lies in the middle half; "
            "t interval over such means of consecutive blocks of iterations, widened by their autocorrelation",
        )
        for place, value in enumerate(means.tolist())
    ]
