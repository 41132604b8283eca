"""From changes and budgets to verdicts."""

import pytest

from mmbench.gate.verdict import change_of, decide, exact_change, may_change, overall
from mmbench.record.gate import Change, Finding, Verdict
from mmbench.stats.ratio import Ratio


def change(low, high):
    return Change(value=(low + high) / 2, low=low, high=high, level=0.95, method="", pairs=3, blocks=60)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.01, 0.01, Verdict.PASS),
        (0.01, 0.03, Verdict.PASS),  # slower, and within the budget
        (0.01, 0.045, Verdict.INCONCLUSIVE),  # as well within the budget as above it
        (-0.2, 0.2, Verdict.INCONCLUSIVE),
        (-0.01, 0.09, Verdict.INCONCLUSIVE),  # above the budget, and perhaps no slower at all
        (0.0, 0.07, Verdict.INCONCLUSIVE),
        (0.01, 0.07, Verdict.REGRESSION),  # slower in any case, by more than the budget at best estimate
        (0.031, 0.06, Verdict.REGRESSION),
        (-0.10, -0.04, Verdict.IMPROVEMENT),
        (-0.10, -0.01, Verdict.IMPROVEMENT),  # as a regression: better in any case, by enough at best estimate
        (-0.05, -0.005, Verdict.PASS),
        (-0.10, 0.01, Verdict.PASS),
        (-0.15, 0.04, Verdict.INCONCLUSIVE),
    ],
)
def test_a_change_and_its_interval_against_the_budget(low, high, verdict):
    assert decide(change(low, high), budget=0.03)[0] is verdict


def test_what_is_worse_for_certain_is_not_called_unclear_in_all():
    assert decide(change(0.01, 0.045), budget=0.03)[1] == "worse for certain, but perhaps by no more than the budget"
    assert decide(change(0.0, 0.045), budget=0.03)[1] == "the interval straddles the budget"


def test_a_floor_above_the_budget_allows_no_verdict():
    for low, high in ((0.5, 0.6), (-0.01, 0.01), (-0.6, -0.5)):
        verdict, reason = decide(change(low, high), budget=0.03, floor=0.031)
        assert verdict is Verdict.INCONCLUSIVE
        assert reason == "the noise floor of this runner, 3.1%, exceeds the budget, 3.0%"
    assert decide(change(0.5, 0.6), budget=0.03, floor=0.03)[0] is Verdict.REGRESSION


def test_a_difference_is_better_by_as_much_as_it_might_have_been_worse():
    assert decide(change(-0.5, -0.4), budget=0.5, relative=False)[0] is Verdict.PASS
    assert decide(change(-0.5, -0.4), budget=0.5)[0] is Verdict.IMPROVEMENT  # a share: by a third
    assert decide(change(-0.7, -0.4), budget=0.5, relative=False)[0] is Verdict.IMPROVEMENT


def test_a_ratio_is_a_change_of_what_it_exceeds_one_by():
    found = change_of(Ratio(1.05, 1.02, 1.08, 0.95, 3, 60))
    assert (found.value, found.low, found.high) == pytest.approx((0.05, 0.02, 0.08))
    assert (found.level, found.pairs, found.blocks) == (0.95, 3, 60)


@pytest.mark.parametrize(
    ("base", "head", "value", "verdict"),
    [
        (100, 100, 0.0, Verdict.PASS),
        (100, 101, 0.01, Verdict.REGRESSION),
        (100, 99, -0.01, Verdict.IMPROVEMENT),
        (0, 0, 0.0, Verdict.PASS),
        (0, 5, 1.0, Verdict.REGRESSION),
    ],
)
def test_exact_numbers_need_no_interval(base, head, value, verdict):
    found = exact_change(base, head)
    assert found.value == pytest.approx(value)
    assert found.low == found.high == found.value
    assert found.level is None
    assert decide(found, budget=0.0)[0] is verdict


def finding(verdict=Verdict.PASS, change=None, metric="throughput", budget=0.03):
    return Finding(
        metric=metric,
        unit="s",
        higher_is_better=False,
        base=1,
        head=1,
        change=change,
        budget=budget,
        verdict=verdict,
        reason=None,
    )


@pytest.mark.parametrize(
    ("low", "high", "to_six", "beyond"),
    [
        (-0.01, 0.02, False, False),
        (0.04, 0.06, False, False),
        (0.02, 0.08, True, False),  # a regression, whose interval straddles the budget
        (0.02, 0.035, True, True),  # no verdict
        (-0.02, 0.08, True, True),
        (-0.12, 0.02, True, False),  # perhaps an improvement
        (-0.12, -0.01, False, False),  # an improvement
        (-0.04, 0.02, False, False),
    ],
)
def test_more_pairs_are_for_what_is_not_certain_and_beyond_six_for_want_of_a_verdict(low, high, to_six, beyond):
    so_far = finding(decide(change(low, high), budget=0.03)[0], change(low, high))
    assert [may_change(so_far, 0.0, pairs) for pairs in (3, 5, 6, 9)] == [to_six, to_six, beyond, beyond]


def test_more_pairs_help_neither_what_is_exact_nor_a_runner_too_noisy():
    wide = change(-0.02, 0.08)
    assert not may_change(finding(Verdict.INCONCLUSIVE, wide, metric="memory"), 0.0, 3)
    assert not may_change(finding(Verdict.INCONCLUSIVE, wide), 0.031, 3)
    assert may_change(finding(Verdict.INCONCLUSIVE, wide), 0.03, 3)
    assert not may_change(finding(Verdict.INCONCLUSIVE, None), 0.0, 6)  # there was too little time


def test_the_gravest_verdict_is_that_on_all():
    def of(*verdicts):
        return overall([finding(verdict) for verdict in verdicts])

    assert of() is Verdict.PASS
    assert of(Verdict.PASS, Verdict.IMPROVEMENT) is Verdict.IMPROVEMENT
    assert of(Verdict.IMPROVEMENT, Verdict.INCONCLUSIVE) is Verdict.INCONCLUSIVE
    assert of(Verdict.INCONCLUSIVE, Verdict.REGRESSION, Verdict.PASS) is Verdict.REGRESSION
