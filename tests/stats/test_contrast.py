"""Functions of values of several runs. References: scipy's paired bootstrap, and the difference of two models."""

import numpy as np
import pytest
from scipy import stats

from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.ece import ECE
from mmbench.metrics.macro_f1 import MacroF1
from mmbench.stats.contrast import contrasts
from mmbench.stats.paired import paired_difference

DROP = {"drop": lambda values: values[0] - values[1]}


def rows(values):
    return {"correct": np.asarray(values)}


@pytest.fixture
def three():
    """Right answers of three runs, [3, 400], and the clusters of the samples."""
    rng = np.random.default_rng(0)
    ease = np.repeat(rng.normal(size=100), 4)
    return (ease + rng.normal(size=(3, 400)) > [[-0.8], [-0.3], [0.0]]).astype(int), np.repeat(np.arange(100), 4)


def test_value_is_that_of_the_function(three):
    right, _ = three
    combine = {"all": lambda v: v.sum(axis=0), "gain": lambda v: v[0] - np.maximum(v[1], v[2])}
    found = contrasts(Accuracy(), [rows(each) for each in right], combine, None, resamples=99)
    mean = right.mean(axis=1)
    assert found["all"].value == pytest.approx(mean.sum())
    assert found["gain"].value == pytest.approx(mean[0] - max(mean[1:]))
    assert {(one.n, one.method, one.level) for one in found.values()} == {(400, "bootstrap", 0.95)}


@pytest.mark.parametrize("clustered", [False, True])
def test_interval_is_the_paired_bootstrap_of_scipy(three, clustered):
    right, groups = three
    found = contrasts(
        Accuracy(),
        [rows(each) for each in right],
        {"gain": lambda v: v[0] - np.maximum(v[1], v[2])},
        groups.astype(str) if clustered else None,
    )["gain"]
    units = right.reshape(3, 100, 4).mean(axis=2) if clustered else right  # clusters of one size: means of means

    def gain(a, b, c, axis):
        return a.mean(axis=axis) - np.maximum(b.mean(axis=axis), c.mean(axis=axis))

    expected = stats.bootstrap(
        tuple(units), gain, paired=True, n_resamples=9999, method="percentile", rng=1, batch=500
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.006)
    assert found.method == ("clustered-bootstrap" if clustered else "bootstrap")


@pytest.mark.parametrize("clustered", [False, True])
def test_paired_difference_is_a_contrast(three, clustered):
    right, groups = three
    clusters = groups.astype(str) if clustered else None
    found = contrasts(Accuracy(), [rows(right[0]), rows(right[1])], DROP, clusters, resamples=499)["drop"]
    assert found == paired_difference(Accuracy(), rows(right[0]), rows(right[1]), clusters, resamples=499).interval


@pytest.mark.parametrize("clustered", [False, True])
def test_order_of_samples_changes_nothing(clustered):
    """Of real numbers too, whose sums depend on the order in the last digits."""
    rng = np.random.default_rng(1)
    runs = [{"confidence": rng.uniform(size=300), "correct": rng.integers(2, size=300)} for _ in range(2)]
    groups, order = rng.integers(90, size=300).astype(str), rng.permutation(300)
    moved = [{column: values[order] for column, values in run.items()} for run in runs]
    before = contrasts(ECE(), runs, DROP, groups if clustered else None, resamples=199)["drop"]
    after = contrasts(ECE(), moved, DROP, groups[order] if clustered else None, resamples=199)["drop"]
    assert (after.low, after.high, after.value) == pytest.approx((before.low, before.high, before.value), abs=1e-12)


def test_bootstrap_is_the_one_that_the_metric_asks_for():
    rng = np.random.default_rng(2)
    target, *predictions = (np.array(list("abc"), dtype=object)[rng.integers(3, size=100)] for _ in range(3))
    runs = [{"target": target, "prediction": prediction} for prediction in predictions]
    assert contrasts(MacroF1(), runs, DROP, None, resamples=99)["drop"].method == "basic-bootstrap"

    class Never(MacroF1):
        bootstrap = "none"

    found = contrasts(Never(), runs, DROP, None, resamples=99)["drop"]
    assert (found.low, found.high, found.method) == (None, None, "none")


def test_where_no_resample_differs_there_is_no_interval(three):
    right, _ = three
    found = contrasts(Accuracy(), [rows(right[0]), rows(right[0])], DROP, None, resamples=99)["drop"]
    assert (found.value, found.low, found.high) == (0.0, None, None)


def test_draw_in_which_a_function_is_not_defined_does_not_count():
    """A share of the gap to all right is not defined where there is no gap."""

    def part(values):
        gap = 1 - values[1]
        return np.divide(values[0] - values[1], gap, out=np.full(np.shape(gap), np.nan), where=gap > 0)

    runs = [rows([1, 1, 1, 0, 1, 1]), rows([1, 0, 1, 0, 1, 1])]
    found = contrasts(Accuracy(), runs, {"part": part}, None, resamples=999)["part"]
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.0, 1.0))
    perfect = contrasts(Accuracy(), [runs[0], rows([1] * 6)], {"part": part}, None, resamples=99)["part"]
    assert (perfect.value, perfect.low) == (None, None)


def test_no_samples():
    found = contrasts(Accuracy(), [rows([]), rows([])], DROP, None)["drop"]
    assert (found.value, found.low, found.n) == (None, None, 0)


@pytest.mark.parametrize("sizes", [(3, 4), ()])
def test_runs_must_be_over_the_same_samples(sizes):
    with pytest.raises(ValueError, match="expected the same samples"):
        contrasts(Accuracy(), [rows([1] * size) for size in sizes], DROP, None)


def test_many_units_are_drawn_evenly():
    """Enough different rows for Poisson counts: the interval of a mean is the normal one."""
    x = np.random.default_rng(4).exponential(size=20_000)

    class Mean(Accuracy):
        least, most = 0.0, np.inf

    found = contrasts(Mean(), [rows(x), rows(x[::-1])], DROP, None, resamples=2_000)["drop"]
    error = stats.sem(x - x[::-1])
    assert (found.low, found.high) == pytest.approx(stats.norm.interval(0.95, found.value, error), abs=0.15 * error)
