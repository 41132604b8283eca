"""Paired differences. References: scipy.stats.permutation_test and bootstrap, and counting by hand."""

import numpy as np
import pytest
from scipy import stats

from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.ece import ECE
from mmbench.metrics.macro_f1 import MacroF1
from mmbench.stats.paired import paired_difference


def rows(values):
    return {"correct": np.asarray(values)}


def test_exact_test_is_that_of_scipy():
    """Few samples: every swap is counted, as scipy does with permutation_type="samples"."""
    rng = np.random.default_rng(3)
    ours, theirs = rng.integers(2, size=(2, 10))
    found = paired_difference(Accuracy(), rows(ours), rows(theirs), None)
    expected = stats.permutation_test(
        (ours, theirs),
        lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
        alternative="two-sided",
    )
    assert found.test == "exact"
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12)
    assert found.interval.value == pytest.approx(expected.statistic, abs=1e-12)


def test_exact_test_by_hand():
    """Three wins and no loss: of the eight swaps two are as extreme, all won and all lost."""
    found = paired_difference(Accuracy(), rows([1, 1, 1, 0, 1]), rows([0, 0, 0, 0, 1]), None)
    assert (found.p_value, found.test) == (2 / 8, "exact")


def test_randomization_agrees_with_the_sign_test_of_a_proportion():
    """Many discordant pairs: swapping is flipping fair coins, so the p-value is the binomial's (McNemar, exact)."""
    ours, theirs = np.zeros(400, dtype=int), np.zeros(400, dtype=int)
    ours[:60], theirs[60:100] = 1, 1
    found = paired_difference(Accuracy(), rows(ours), rows(theirs), None, resamples=20_000)
    expected = stats.binomtest(60, 100).pvalue
    assert found.test == "randomization"
    assert found.p_value == pytest.approx(expected, abs=4 * np.sqrt(expected / 20_000))


def test_interval_is_the_paired_bootstrap_of_scipy():
    rng = np.random.default_rng(0)
    ours = rng.integers(2, size=500)
    theirs = np.where(rng.random(500) < 0.8, ours, 1 - ours)
    found = paired_difference(Accuracy(), rows(ours), rows(theirs), None).interval
    expected = stats.bootstrap(
        ((ours - theirs).astype(float),), np.mean, n_resamples=9999, method="percentile", rng=1, batch=500
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.004)
    assert found.n == 500


def test_clusters_are_swapped_and_drawn_whole():
    """Ten clusters of forty equal answers hold ten observations, not four hundred."""
    rng = np.random.default_rng(5)
    ours, theirs = np.repeat(rng.integers(2, size=(2, 10)), 40, axis=1)
    alone = paired_difference(Accuracy(), rows(ours[::40]), rows(theirs[::40]), None)
    groups = np.repeat([f"g{number}" for number in range(10)], 40)
    together = paired_difference(Accuracy(), rows(ours), rows(theirs), groups)
    assert together.p_value == alone.p_value
    naive = paired_difference(Accuracy(), rows(ours), rows(theirs), None).interval
    assert together.interval.high - together.interval.low > 3 * (naive.high - naive.low)


def test_equal_models_differ_by_nothing():
    found = paired_difference(Accuracy(), rows([1, 0, 1]), rows([1, 0, 1]), None)
    assert (found.interval.value, found.interval.low, found.p_value) == (0.0, None, 1.0)


def test_metric_that_is_no_mean():
    """Macro-F1: the p-value by trying all swaps of the raw answers."""
    rng = np.random.default_rng(2)
    target, ours, theirs = (np.array(list("abc"), dtype=object)[rng.integers(3, size=8)] for _ in range(3))

    def f1(prediction):
        return MacroF1().aggregate({"target": target, "prediction": prediction})

    observed = f1(ours) - f1(theirs)
    swaps = ((np.arange(2**8)[:, None] >> np.arange(8)) & 1).astype(bool)
    differences = [f1(np.where(s, theirs, ours)) - f1(np.where(s, ours, theirs)) for s in swaps]
    expected = np.mean(np.abs(differences) >= abs(observed) - 1e-12)
    found = paired_difference(
        MacroF1(), {"target": target, "prediction": ours}, {"target": target, "prediction": theirs}, None
    )
    assert found.interval.value == pytest.approx(observed, abs=1e-12)
    assert found.p_value == pytest.approx(expected, abs=1e-12)


def test_order_of_models_turns_the_sign():
    ours, theirs = np.random.default_rng(1).integers(2, size=(2, 50))
    one = paired_difference(Accuracy(), rows(ours), rows(theirs), None)
    other = paired_difference(Accuracy(), rows(theirs), rows(ours), None)
    assert one.interval.value == -other.interval.value
    assert one.p_value == pytest.approx(other.p_value, abs=0.02)


def test_no_false_alarms():
    """Two models of equal skill: p-values are as often below 5 % as they should be."""
    rng = np.random.default_rng(0)
    below = 0
    for _ in range(200):
        ours, theirs = rng.integers(2, size=(2, 60))
        below += paired_difference(Accuracy(), rows(ours), rows(theirs), None, resamples=499).p_value <= 0.05
    assert below <= stats.binom.ppf(0.999, 200, 0.05)


def test_interval_of_a_value_that_resampling_shifts():
    """Expected calibration error is shifted upwards in resamples, most where it is small.

    Here one model is calibrated and one overconfident by a fifth; the percentiles would hold the true difference in 3
    of 10 simulations.
    """
    rng = np.random.default_rng(0)

    def answers(shift):
        confidence = rng.uniform(0.4, 1, 300)
        return {"confidence": confidence, "correct": (rng.random(300) < confidence - shift).astype(int)}

    held = 0
    for _ in range(40):
        found = paired_difference(ECE(), answers(0.2), answers(0.0), None, resamples=499).interval
        assert found.method == "basic-bootstrap"
        assert found.low <= found.value <= found.high
        held += found.low <= 0.2 <= found.high
    assert held >= 26


def test_metric_without_an_interval_has_none_for_a_difference_either():
    class Never(Accuracy):
        bootstrap = "none"

    found = paired_difference(Never(), rows([1, 1, 0]), rows([0, 1, 0]), None)
    assert (found.interval.value, found.interval.low, found.p_value) == (pytest.approx(1 / 3), None, 1.0)
