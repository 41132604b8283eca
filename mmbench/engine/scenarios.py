"""The scenarios on a run's requests: how many queries, of how many samples, at what rate."""

from collections.abc import Callable, Sequence
from functools import partial

from mmbench.engine.cost_options import CostOptions
from mmbench.engine.cost_subject import REQUESTS, Subject, prepare
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
"""Queries, at most, by which the length of a scenario is planned."""


def run_scenario(
    subject: Subject, options: CostOptions, warm_up: Callable[[Sequence[Batch]], object], *, most_s: float
) -> Scenario | None:
    """The scenario that `options` name, for about the seconds of a pass (`offline`: once); `None` where they name none.

    Args:
        subject: model and input.
        options: which scenario, and its rate and bound.
        warm_up: brings the model to a steady state on batches.
        most_s: seconds of service, at most, of a server that cannot keep up.

    Raises:
        UsageError: there are fewer samples than a query has.
    """
    if options.scenario is None:
        return None
    if options.scenario == "offline":
        batches = subject.placed(prepare(subject.run, subject.batch_size, _OFFLINE // subject.batch_size or 1))
        warm_up(batches)
        return offline(subject.work, batches, [batch.size for batch in batches], wait=subject.wait)
    eight = options.scenario == "multi-stream"
    requests = subject.placed(_eights(subject) if eight else subject.requests)
    warm_up(requests)
    closed_loop = partial(multi_stream if eight else single_stream, subject.work, requests, wait=subject.wait)
    seconds = options.budget.pass_s
    first = closed_loop(queries=1)
    probe = closed_loop(queries=plan_queries(first.p50_s, seconds / 4, least=2, most=_PROBE))
    if options.scenario != "server":
        return closed_loop(queries=plan_queries(probe.p50_s, seconds))
    rate = options.rate or server_rate(probe)
    return server(
        subject.work,
        requests,
        wait=subject.wait,
        rate=rate,
        queries=min(plan_queries(1 / rate, seconds), plan_queries(probe.p50_s, most_s)),
        seed=subject.run.options.seed,
        bound_s=options.bound_s,
    )


def _eights(subject: Subject) -> list[Batch]:
    if len(subject.run.samples) < MULTI_STREAM:
        raise UsageError(f"multi-stream asks {MULTI_STREAM} samples a query; there are {len(subject.run.samples)}")
    return prepare(subject.run, MULTI_STREAM, REQUESTS)
