"""The scenarios on a run's requests: how many queries, of how many samples, at what rate."""

from collections.abc import Callable, Sequence

from mmbench.engine.cost_options import CostOptions
from mmbench.engine.cost_subject import REQUESTS, Subject, prepare, spread
from mmbench.engine.loader import Plan, plan_batches
from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.profile.results import Scenario
from mmbench.profile.scenario import (
    MULTI_STREAM,
    multi_stream,
    offline,
    plan_queries,
    server,
    server_rate,
    single_stream,
)

_OFFLINE = 2048
"""Samples of the one query of `offline`, at most: they all lie ready on the device."""

_PROBE = 20
"""Queries by which the length of a scenario is planned."""


def run_scenario(
    subject: Subject, options: CostOptions, warm_up: Callable[[Sequence[Batch]], object]
) -> Scenario | None:
    """The scenario that `options` name, for about the seconds of a pass; `None` where they name none.

    Args:
        subject: model and input.
        options: which scenario, and its rate and bound.
        warm_up: brings the model to a steady state on batches.

    Raises:
        UsageError: there are fewer samples than a query has.
    """
    if options.scenario is None:
        return None
    if options.scenario == "offline":
        batches = _batches(subject, subject.batch_size, _OFFLINE // subject.batch_size or 1)
        warm_up(batches)
        return offline(subject.work, batches, [batch.size for batch in batches], wait=subject.wait)
    eight = options.scenario == "multi-stream"
    requests = _batches(subject, MULTI_STREAM, REQUESTS) if eight else subject.requests
    warm_up(requests)
    closed_loop = multi_stream if eight else single_stream
    probe = closed_loop(subject.work, requests, wait=subject.wait, queries=_PROBE)
    seconds = options.budget.pass_s
    if options.scenario != "server":
        queries = plan_queries(probe.p50_s, seconds)
        return closed_loop(subject.work, requests, wait=subject.wait, queries=queries)
    rate = options.rate or server_rate(probe)
    return server(
        subject.work,
        requests,
        wait=subject.wait,
        rate=rate,
        queries=plan_queries(1 / rate, seconds),
        seed=subject.run.options.seed,
        bound_s=options.bound_s,
    )


def _batches(subject: Subject, size: int, most: int) -> list[Batch]:
    run = subject.run
    order = plan_batches(run.samples, run.model, size).order
    plan = Plan(order[: len(order) // size * size], size)
    if not len(plan):
        raise UsageError(f"a query of {size} samples needs as many; there are {len(order)}")
    return prepare(run, plan, spread(len(plan), most))
