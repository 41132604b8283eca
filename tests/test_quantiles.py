"""Quantiles against `scipy.stats`."""

import pytest
from scipy import stats

from mmbench.quantiles import binomial, normal, student_below, student_t


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.9999])
def test_student_and_normal_equal_scipys(level):
    assert normal(level) == pytest.approx(stats.norm.ppf((1 + level) / 2), rel=1e-12)
    for freedom in (1, 2, 5, 19, 1000):
        assert student_t(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-9)
        assert student_below(-level, freedom) == pytest.approx(stats.t.cdf(-level, freedom), rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 20, 368, 5000])
def test_binomial_equals_scipys(n):
    for p in (0.01, 0.5, 0.9, 0.99):
        for probability in (0.025, 0.5, 0.975, 0.995):
            assert binomial(probability, n, p) == int(stats.binom.ppf(probability, n, p))
