"""References: scipy's Wilson interval and bootstrap; a simulated population whose true value is known."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.macro_f1 import MacroF1
from mmbench.stats.intervals import interval


@pytest.mark.parametrize(("right", "n"), [(0, 5), (3, 5), (5, 5), (999, 1000), (9673, 9673), (1, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_equals_scipy(right, n, level):
    found = interval(Accuracy(), {"correct": np.repeat([1, 0], [right, n - right])}, None, level=level)
    low, high = stats.binomtest(right, n).proportion_ci(level, method="wilson")
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.method == "wilson"


def test_single_bootstrap_is_close_to_scipy():
    rng = np.random.default_rng(0)
    target = rng.choice(["a", "b", "c"], size=120)
    prediction = np.where(rng.random(120) < 0.7, target, "a")
    found = interval(MacroF1(), {"target": target, "prediction": prediction}, None)
    reference = stats.bootstrap(
        (np.arange(120),),
        lambda drawn: f1_score(target[drawn], prediction[drawn], average="macro"),
        vectorized=False,
        n_resamples=999,
        method="percentile",
        rng=1,
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.012)


def test_clustered_bootstrap_is_close_to_scipy():
    rng = np.random.default_rng(3)
    size = rng.integers(1, 7, size=150)
    groups = np.repeat(np.arange(150), size)
    correct = rng.random(len(groups)) < np.repeat(rng.beta(2, 1, size=150), size)
    found = interval(Accuracy(), {"correct": correct.astype(int)}, groups.astype(str))
    reference = stats.bootstrap(
        (np.bincount(groups, weights=correct), size),
        lambda right, n, axis: right.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        n_resamples=9999,
        method="percentile",
        rng=1,
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.002)


def test_clusters_are_covered_where_single_samples_are_not():
    """Eight questions an image whose difficulty varies: true accuracy 0.6, 300 test sets of 80 images."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(80), 8)
    trials, covered = 300, {"wilson": 0, "clustered-bootstrap": 0}
    for _ in range(trials):
        correct = rng.random(640) < np.repeat(rng.beta(0.9, 0.6, size=80), 8)
        for by in (None, groups):
            found = interval(Accuracy(), {"correct": correct.astype(int)}, by, resamples=499)
            covered[found.method] += found.low <= 0.6 <= found.high
    # Three standard errors of a coverage of 0.95 in 300 trials are 0.038.
    assert 0.91 <= covered["clustered-bootstrap"] / trials <= 0.99
    assert covered["wilson"] / trials < 0.80
