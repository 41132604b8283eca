"""What may be set of a gate, and what is refused."""

import math

import pytest

from mmbench.errors import UsageError
from mmbench.gate.options import BUDGET, GateOptions, parse_budgets


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], {}),
        (["5%"], {"": 0.05}),
        (["0.05"], {"": 0.05}),
        (["latency=8%", "2.5 %"], {"latency": 0.08, "": 0.025}),
        (["accuracy=0.01", "150%"], {"accuracy": 0.01, "": 1.5}),
        (["wer=2"], {"wer": 2.0}),  # a quality may have any scale
        (["0"], {"": 0.0}),
    ],
)
def test_budgets(texts, expected):
    assert parse_budgets(texts) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["five"], "--budget takes 5%, 0.05 or METRIC=5%, not 'five'"),
        (["latency="], "--budget takes 5%, 0.05 or METRIC=5%, not 'latency='"),
        (["-5%"], "--budget -5%: a budget is not below zero"),
        (["5"], "--budget 5 bears a change of 500%; for percent write 5%"),
        (["latency=3"], "--budget latency=3 bears a change of 300%; for percent write latency=3%"),
        (["nan"], "--budget nan: a budget is not below zero"),
        (["5%", "6%"], "--budget is given twice for all metrics"),
        (["latency=5%", "latency=6%"], "--budget is given twice for latency"),
    ],
)
def test_budgets_that_make_no_sense(texts, message):
    with pytest.raises(UsageError) as caught:
        parse_budgets(texts)
    assert str(caught.value) == message


def test_budget_of_each_metric():
    metrics = ("throughput", "latency", "memory", "flops", "accuracy")
    plain = GateOptions(metrics)
    assert [plain.budget(metric) for metric in metrics] == [BUDGET, BUDGET, 0.02, 0.0, 0.01]
    given = GateOptions(metrics, {"": 0.1, "latency": 0.2, "accuracy": 0.01})
    assert [given.budget(metric) for metric in metrics] == [0.1, 0.2, 0.1, 0.1, 0.01]
    assert GateOptions(metrics, {"": 0.1}).budget("accuracy") == 0.01  # a share says nothing of a difference


def test_kinds_of_metrics_and_their_level():
    options = GateOptions(("accuracy", "latency", "memory", "throughput"))
    assert (options.timings, options.exact, options.qualities) == (
        ("latency", "throughput"),
        ("memory",),
        ("accuracy",),
    )
    assert options.timing_level == pytest.approx(0.975)
    assert GateOptions().timing_level == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pairs": 0}, "--pairs must be at least 1, not 0"),
        ({"blocks": 1}, "--blocks must be at least 2, not 1"),
        ({"time_limit_s": 0}, "--time-limit must be at least 1, not 0"),
        ({"time_limit_s": math.inf}, "--time-limit must be finite, not inf"),
        ({"patience_s": math.nan}, "--patience must be finite, not nan"),
        ({"pairs": 11}, "--most-pairs 10 is below --pairs 11"),
        ({"metrics": ("memory", "memory")}, "--metric memory is given twice"),
        ({"budgets": {"latency": 0.1}}, "--budget latency=...: latency is not gated; add --metric latency"),
    ],
)
def test_refused(given, message):
    with pytest.raises(UsageError) as caught:
        GateOptions(**given)
    assert str(caught.value) == message
