"""Means over seeds against scipy's interval of a mean, numpy's deviation, and a calculation by hand."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from mmbench.stats.seeds import over_seeds

VALUES = st.lists(st.floats(-100, 100), min_size=2, max_size=8)


def test_by_hand():
    # mean .80, deviation .03 (.0018 / 2 = .0009), t(2) at 97.5 % = 4.3027, reach 4.3027 * .03 / sqrt(3) = .07452
    found = over_seeds([0.77, 0.80, 0.83])
    assert found.mean == pytest.approx(0.80)
    assert found.deviation == pytest.approx(0.03)
    assert (found.low, found.high) == (pytest.approx(0.72548, abs=1e-5), pytest.approx(0.87452, abs=1e-5))
    assert found.method == "student-t"


@settings(max_examples=100, deadline=None)
@given(VALUES, st.floats(0.5, 0.99))
def test_as_scipy_and_numpy(values, level):
    deviation = np.std(values, ddof=1)
    assume(deviation > 1e-6)
    found = over_seeds(values, level=level)
    expected = stats.t.interval(level, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-9)
    assert found.deviation == pytest.approx(deviation, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_order_does_not_matter(values):
    assert over_seeds(values) == over_seeds(values[::-1]) == over_seeds(sorted(values))


def test_an_interval_keeps_to_the_values_that_there_can_be():
    values = [0.95, 0.99, 1.0]
    free, held = over_seeds(values), over_seeds(values, least=0, most=1)
    assert free.high > 1
    assert (held.low, held.high) == (free.low, 1.0)
    low = over_seeds([0.0, 0.01, 0.05], least=0, most=1)
    assert low.low == 0.0
    assert 0 < low.mean < low.high < 1


def test_a_bound_that_a_value_exceeds_is_none():
    values = [-0.2, 0.1, 1.3]
    assert over_seeds(values, least=0, most=1) == over_seeds(values)


def test_one_seed_says_nothing_about_the_spread():
    found = over_seeds([0.9], least=0, most=1)
    assert (found.mean, found.low, found.high, found.deviation, found.method) == (0.9, None, None, None, "none")


@pytest.mark.parametrize("value", [1.0, 0.1, 1 / 3])
def test_equal_values_claim_no_certainty(value):
    found = over_seeds([value] * 5, least=0, most=1)
    assert (found.mean, found.low, found.high, found.deviation, found.method) == (value, None, None, 0.0, "none")


def test_covers_the_mean_as_often_as_it_says():
    random = np.random.default_rng(0)
    found = [over_seeds(list(random.normal(0.8, 0.05, 5))) for _ in range(2000)]
    covered = np.mean([each.low <= 0.8 <= each.high for each in found])
    assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 2000))
