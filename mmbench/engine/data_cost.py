"""The data pass: what the way from files to the device costs, and how long the model waits for it."""

from collections.abc import Sequence
from time import perf_counter
from typing import Literal

from mmbench.engine.cost_subject import Subject
from mmbench.engine.loader import Plan, make_loader, plan_batches
from mmbench.errors import HarnessError
from mmbench.profile.results import DataCost, DataStage
from mmbench.profile.stage import DECODE, stage
from mmbench.profile.stage_times import record_stages

_APART = 4
"""Batches whose samples are prepared in this process, step by step."""

_TOGETHER = 24
"""Batches that are loaded and asked as in the quality pass."""

_STEPS: dict[str, Literal["load", "decode", "collate"]] = {
    "data.load": "load",
    DECODE: "decode",
    "data.collate": "collate",
}


def measure_data(subject: Subject) -> DataCost:
    """Time `load`, `decode` and `collate` in this process, `copy` and `wait` beside the run's loader processes.

    A loader process does the first three for one batch while the model is asked about another; `wait` is what of them
    the model sees.

    Raises:
        HarnessError: no sample could be prepared.
    """
    run = subject.run
    plan = plan_batches(run.samples, run.model, subject.batch_size)
    numbers = list(range(min(len(plan), _APART + _TOGETHER)))
    steps, prepared = _apart(subject, plan, numbers[:_APART])
    copy_s, wait_s, whole_s, asked = _together(subject, plan, numbers[_APART:] or numbers)
    if not prepared or not asked:
        raise HarnessError("no sample could be prepared to measure the cost of data with")
    return DataCost(
        stages=[
            *(DataStage(name=_STEPS[name], sample_s=seconds / prepared) for name, seconds in steps.items()),
            DataStage(name="copy", sample_s=copy_s / asked),
            DataStage(name="wait", sample_s=wait_s / asked),
        ],
        wait_share=min(1.0, wait_s / whole_s),
        workers=run.workers,
        samples=prepared + asked,
    )


def _apart(subject: Subject, plan: Plan, numbers: Sequence[int]) -> tuple[dict[str, float], int]:
    """Seconds by step, and of how many samples; batches that fail are passed over."""
    run, seconds, prepared = subject.run, dict.fromkeys(_STEPS, 0.0), 0
    for number in numbers:
        try:
            with record_stages() as times:
                with stage("data.load"):
                    samples = [run.samples[index] for index in plan[number]]
                with stage("data.collate"):
                    run.model.collate(samples)
        except Exception:  # noqa: S112  # data may be broken in any way; the quality pass tells of it
            continue
        prepared += len(samples)
        for name, found in times.self_times.items():
            if name in seconds:
                seconds[name] += found.seconds
    return seconds, prepared


def _together(subject: Subject, plan: Plan, numbers: Sequence[int]) -> tuple[float, float, float, int]:
    """Seconds of copies, of waiting and of the whole, and how many samples were asked.

    The first batch is not counted: while it is made the loader processes start.
    """
    run = subject.run
    pinned = run.device.type == "cuda"
    loader = iter(make_loader(run.samples, run.model, plan, numbers=numbers, workers=run.workers, pin_memory=pinned))
    copy_s = wait_s = 0.0
    asked, begun, end = 0, perf_counter(), perf_counter()
    for place, loaded in enumerate(loader):
        got = perf_counter()
        if loaded.batch is None:
            end = got
            continue
        batch = loaded.batch.to(run.device, non_blocking=True)
        subject.wait()
        copied = perf_counter()
        subject.work(batch)
        subject.wait()
        if place == 0 and len(numbers) > 1:
            begun = end = perf_counter()
            continue
        wait_s += got - end
        copy_s += copied - got
        asked += batch.size
        end = perf_counter()
    return copy_s, wait_s, end - begun, asked
