import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm

from mmbench.profile.estimate import median_estimate, quantile_estimate

_REPEATS = 200


def _series(rho: float, n: int) -> np.ndarray:
    """`[_REPEATS, n]` first-order autoregressions about 10 with unit variance."""
    noise = np.random.default_rng(7).standard_normal((_REPEATS, n + 200))
    return 10 + lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=1)[:, 200:]


@pytest.mark.parametrize(("rho", "n"), [(0.0, 10), (0.0, 50), (0.0, 500), (0.5, 100), (0.5, 500), (0.9, 500)])
def test_the_interval_of_a_median_covers_it_as_often_as_it_says_whatever_the_memory(rho: float, n: int) -> None:
    estimates = [median_estimate(series.tolist()) for series in _series(rho, n)]
    covered = np.mean([e.low <= 10 <= e.high for e in estimates])
    assert covered >= 0.91, covered


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_interval_of_a_quantile_covers_it_as_often_as_it_says_whatever_the_memory(rho: float) -> None:
    truth = 10 + norm.ppf(0.9)
    found = [quantile_estimate(series.tolist(), 0.9) for series in _series(rho, 1500)]
    covered = [e.low <= truth <= e.high for e in found if e.low is not None]
    assert len(covered) > 0.8 * _REPEATS
    assert np.mean(covered) >= 0.91


def test_an_interval_over_independent_values_is_not_much_wider_than_it_must_be() -> None:
    n = 500
    width = np.median([e.high - e.low for e in map(median_estimate, _series(0.0, n))])
    ideal = 2 * norm.ppf(0.975) * np.sqrt(np.pi / 2 / n)
    assert width < 1.6 * ideal


def test_two_profiles_of_one_thing_agree_within_their_intervals() -> None:
    series = _series(0.9, 500)
    apart = 0
    for a, b in zip(series[::2], series[1::2], strict=True):
        first, second = median_estimate(a), median_estimate(b)
        apart += first.low > second.high or second.low > first.high
    assert apart <= 0.05 * len(series) / 2


def test_the_value_is_the_median_of_all_and_n_counts_blocks() -> None:
    estimate = median_estimate([5.0] * 30 + [1.0] * 31)
    assert estimate.value == 1.0
    assert estimate.n == 10
    assert estimate.low == 0.0  # a rate or a time goes no lower
    assert "10 consecutive blocks" in estimate.method


def test_few_values_have_no_interval_and_say_so() -> None:
    estimate = median_estimate([1.0, 2.0, 9.0, 3.0])
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (2.5, None, None, 4)
    assert "no interval" in estimate.method


def test_equal_values_have_an_interval_of_no_width() -> None:
    estimate = median_estimate([0.25] * 40)
    assert (estimate.low, estimate.value, estimate.high) == (0.25, 0.25, 0.25)


def test_a_higher_level_is_wider() -> None:
    values = _series(0.0, 100)[0].tolist()
    wide, narrow = median_estimate(values, level=0.99), median_estimate(values, level=0.8)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert (wide.level, narrow.level) == (0.99, 0.8)


def test_ranks_are_those_of_the_binomial_where_blocks_are_alike() -> None:
    # Ten blocks of the same values have no spread between them: the plain interval for n = 100.
    # Conover's table: the 40th and the 61st of 100 enclose the median with at least 95 %.
    values = [float(10 * within + block) for block in range(10) for within in range(10)]
    estimate = quantile_estimate(values, 0.5)
    assert (estimate.low, estimate.high, estimate.n) == (39.0, 60.0, 100)


def test_p99_needs_368_independent_values() -> None:
    def evenly(n: int) -> list[float]:  # the largest lie in blocks apart, so that no block looks slower than the rest
        return [float(v) for start in (9, 0, 8, 1, 7, 2, 6, 3, 5, 4) for v in range(start, n, 10)]

    few, enough = quantile_estimate(evenly(360), 0.99), quantile_estimate(evenly(370), 0.99)
    assert (few.low, few.high) == (None, None)
    assert "too few" in few.method
    assert enough.high == 369.0
    assert enough.low is not None
    assert enough.low < enough.value < enough.high


@pytest.mark.parametrize("q", [0.0, 1.0, -1.0, 99.0])
def test_what_is_no_quantile_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile_estimate([1.0], q)


def test_nothing_has_no_estimate() -> None:
    with pytest.raises(ValueError, match="no values"):
        median_estimate([])
    with pytest.raises(ValueError, match="no values"):
        quantile_estimate([], 0.5)


def test_one_value_is_its_own_quantile_without_an_interval() -> None:
    estimate = quantile_estimate([3.0], 0.5)
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (3.0, None, None, 1)
