"""The data pass: what the way from files to the device costs, and how long the model waits for it."""

from collections.abc import Sequence
from time import perf_counter
from typing import Literal

from mmbench.engine.cost_subject import Subject, whole_batches
from mmbench.engine.loader import PREFETCH, Plan, make_loader
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


def measure_data(subject: Subject, *, most_s: float) -> DataCost:
    """Time `load`, `decode` and `collate` in this process, `copy` and `wait` beside the run's loader processes.

    A loader process does the first three for one batch while the model is asked about another; `wait` is what of them
    the model sees. Batches that the loader had prepared before the clock ran are not counted.

    Args:
        subject: model and data.
        most_s: seconds after which no new batch is begun, in each of the two.

    Raises:
        HarnessError: no sample could be prepared.
    """
    run = subject.run
    plan = whole_batches(run, subject.batch_size)
    ahead = run.workers * PREFETCH + 1
    numbers = list(range(min(len(plan), _APART + ahead + _TOGETHER)))
    steps, prepared = _apart(subject, plan, numbers[:_APART], most_s)
    copy_s, wait_s, whole_s, asked = _together(subject, plan, numbers[_APART:] or numbers, ahead, most_s)
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


def _apart(subject: Subject, plan: Plan, numbers: Sequence[int], most_s: float) -> tuple[dict[str, float], int]:
    """Seconds by step, and of how many samples; batches that fail are passed over."""
    run, seconds, prepared = subject.run, dict.fromkeys(_STEPS, 0.0), 0
    begun = perf_counter()
    for number in numbers:
        if perf_counter() - begun > most_s:
            break
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


def _together(
    subject: Subject, plan: Plan, numbers: Sequence[int], ahead: int, most_s: float
) -> tuple[float, float, float, int]:
    """Seconds of copies, of waiting and of the whole, and how many samples were asked.

    The first `ahead` batches are not counted where there are more: while the first is made the loader processes start,
    and they prepare the others meanwhile.
    """
    run = subject.run
    pinned = run.device.type == "cuda"
    loader = make_loader(run.samples, run.model, plan, numbers=numbers, workers=run.workers, pin_memory=pinned)
    skipped = ahead if len(numbers) > ahead else 0
    copy_s = wait_s = 0.0
    asked, begun, end = 0, perf_counter(), perf_counter()
    for place, loaded in enumerate(loader):
        got = perf_counter()
        if loaded.batch is not None:
            batch = loaded.batch.to(run.device, non_blocking=True)
            subject.wait()
            copied = perf_counter()
            subject.work(batch)
            subject.wait()
        if place < skipped:
            begun = end = perf_counter()
            continue
        if loaded.batch is not None:
            copy_s += copied - got
            asked += batch.size
        wait_s += got - end
        end = perf_counter()
        if end - begun > most_s:
            break
    return copy_s, wait_s, end - begun, asked
