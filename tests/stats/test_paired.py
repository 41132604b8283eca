"""Paired differences. References: scipy.stats.permutation_test and bootstrap, and counting by hand."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.ece import ECE
from mmbench.metrics.macro_f1 import MacroF1
from mmbench.stats.paired import paired_difference, paired_differences


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


def simulated(rng, n, seeds, spread=0.0):
    """Right answers of two models of equal skill by seed, [2, S, n], and clusters of five.

    Models differ on a sample only as seeds and chance have it; `spread` makes samples of a cluster alike.
    """
    groups = np.arange(n) // 5
    ease = 1 + rng.normal(size=n) + spread * rng.normal(size=groups[-1] + 1)[groups]
    own = ease + 0.5 * rng.normal(size=(2, 1, n)) + 0.5 * spread * rng.normal(size=(2, 1, groups[-1] + 1))[..., groups]
    return (own + 0.5 * rng.normal(size=(2, seeds, n)) > 0).astype(int), groups.astype(str)


def compare(ours, theirs, groups=None, **options):
    return paired_differences(
        Accuracy(), {"ours": [rows(seed) for seed in ours]}, [rows(seed) for seed in theirs], groups, **options
    )["ours"]


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_planted_point_is_found(seeds, clustered):
    """9,673 questions, 3 % of which each model answers right where the other does not, and 97 that one has besides."""
    rng = np.random.default_rng(0)
    theirs = np.repeat((rng.random(9_673) < 0.7)[None].astype(int), seeds, axis=0)
    ours = theirs.copy()
    for right, wrong, share in ((0, 1, 0.03), (1, 0, 0.03), (0, 1, 97 / 9_673)):
        for mine, other in zip(ours, theirs, strict=True):
            here = rng.permutation(np.flatnonzero((other == right) & (mine == right)))[: round(share * 9_673)]
            mine[here] = wrong
    groups = np.arange(9_673) // 5
    found = compare(ours, theirs, groups.astype(str) if clustered else None)
    assert found.interval.value == pytest.approx(97 / 9_673)
    assert found.interval.low > 0
    assert found.p_value < 0.01


def test_no_difference_is_seldom_found():
    """Two models that differ by chance alone, 200 times with one or three seeds, with clusters or without.

    At most 5 % are significant over all four (30 of 800 are here), and no more than chance allows in any; intervals
    hold 0 as often as they say.
    """
    significant = {}
    for clustered, seeds in product((False, True), (1, 3)):
        rng = np.random.default_rng(0)
        found = []
        for _ in range(200):
            (ours, theirs), groups = simulated(rng, 300, seeds, spread=1.0 if clustered else 0.0)
            found.append(compare(ours, theirs, groups if clustered else None, resamples=499))
        significant[clustered, seeds] = sum(one.p_value <= 0.05 for one in found)
        held = sum(one.interval.low <= 0 <= one.interval.high for one in found)
        assert 0.90 <= held / 200 <= 0.99
    assert max(significant.values()) <= stats.binom.ppf(0.999, 200, 0.05)
    assert sum(significant.values()) / 800 <= 0.05


def test_a_swap_exchanges_all_seeds_at_once():
    """Three equal seeds tell no more than one."""
    rng = np.random.default_rng(1)
    (ours, theirs), _ = simulated(rng, 12, 1)
    one, three = (compare(np.repeat(ours, k, axis=0), np.repeat(theirs, k, axis=0)) for k in (1, 3))
    assert three.p_value == one.p_value
    assert three.interval.value == pytest.approx(one.interval.value)
    assert (three.interval.low, three.interval.high) == pytest.approx((one.interval.low, one.interval.high))


@pytest.mark.parametrize("seeds", [1, 3])
def test_mean_over_seeds_is_tested_as_scipy_does(seeds):
    rng = np.random.default_rng(2)
    (ours, theirs), _ = simulated(rng, 10, seeds)
    found = compare(ours, theirs)
    expected = stats.permutation_test(
        (ours.mean(axis=0), theirs.mean(axis=0)),
        lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert found.interval.value == pytest.approx(expected.statistic)
    assert (found.p_value, found.test) == (pytest.approx(expected.pvalue), "exact")


@pytest.mark.parametrize("n", [400, 20_000])
@pytest.mark.parametrize("clustered", [False, True])
def test_several_models_are_as_each_alone(clustered, n):
    """Few different units or many: of each model the same interval and p-value but for the draws."""
    rng = np.random.default_rng(3)
    models = {}
    (models["a"], theirs), groups = simulated(rng, n, 2, spread=1.0)
    models["b"] = np.where(rng.random(theirs.shape) < 20 / n, 1, theirs)
    models["same"] = theirs
    given = {name: [rows(seed) for seed in right] for name, right in models.items()}
    clusters = groups if clustered else None
    baseline = [rows(seed) for seed in theirs]
    together = paired_differences(Accuracy(), given, baseline, clusters, resamples=1999)
    for name, right in models.items():
        alone = compare(right, theirs, clusters, resamples=1999)
        assert together[name].interval.value == pytest.approx(alone.interval.value, abs=1e-12)
        assert together[name].p_value == pytest.approx(alone.p_value, abs=0.06)
        if name != "same":
            width = alone.interval.high - alone.interval.low
            assert together[name].interval.low == pytest.approx(alone.interval.low, abs=0.15 * width)
    assert (together["same"].interval.value, together["same"].interval.low, together["same"].p_value) == (0, None, 1)


@pytest.mark.parametrize("n", [200, 20_000])
@pytest.mark.parametrize("clustered", [False, True])
def test_order_of_samples_changes_nothing(clustered, n):
    rng = np.random.default_rng(4)
    (ours, theirs), groups = simulated(rng, n, 2, spread=1.0)
    order = rng.permutation(n)
    before = compare(ours, theirs, groups if clustered else None, resamples=499)
    after = compare(ours[..., order], theirs[..., order], groups[order] if clustered else None, resamples=499)
    assert after == before


def test_seeds_and_samples_must_be_as_many():
    with pytest.raises(ValueError, match="'ours' has 2 seeds and what it is compared with 1"):
        compare([[1, 0], [1, 1]], [[1, 0]])
    with pytest.raises(ValueError, match="expected the same samples"):
        compare([[1, 0, 1]], [[1, 0]])
    assert paired_differences(Accuracy(), {}, [rows([1, 0])], None) == {}


@pytest.mark.parametrize("alike", [False, True])
def test_a_second_seed_with_permuted_rows_is_seldom_found_to_differ(alike):
    """A model against its own second seed, whose rows are permuted so that only the values are left, 200 times.

    The seeds are of equal skill and share nothing else, which gives a test of 5 % its 5 %, or find the same samples
    hard: then their values differ by less than those of permuted rows would.
    """
    rng = np.random.default_rng(0)
    significant = 0
    for _ in range(200):
        first, second = simulated(rng, 300, 2)[0][0] if alike else (rng.random((2, 300)) < 0.7).astype(int)
        found = compare([first], [rng.permutation(second)], resamples=499)
        significant += found.p_value <= 0.05
    assert significant <= 10
    assert alike or significant > 0
