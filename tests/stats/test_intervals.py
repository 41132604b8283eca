import warnings

import numpy as np
import pytest
from scipy import stats

from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.macro_f1 import MacroF1
from mmbench.metrics.mean_class_recall import MeanClassRecall
from mmbench.metrics.metric import Metric
from mmbench.stats.intervals import Interval, interval, intervals

METRICS = {"accuracy": Accuracy(), "macro_f1": MacroF1(), "mean_class_recall": MeanClassRecall()}


class MeanScore(Metric):
    """A metric of real numbers, so that rows seldom repeat."""

    name = "mean_score"
    columns = ("score",)

    def row(self, prediction, sample):
        return (float(prediction.value),)

    def statistics(self, rows):
        return np.stack([rows["score"], np.ones(len(rows["score"]))], axis=1)

    def value(self, sums):
        return np.divide(sums[..., 0], sums[..., 1], out=np.full(sums.shape[:-1], np.nan), where=sums[..., 1] > 0)


def correct(*values):
    return {"correct": np.array(values, dtype=np.int64)}


def all_rows(target, prediction):
    labels = {"target": target, "prediction": prediction}
    return {"accuracy": correct(*(target == prediction)), "macro_f1": labels, "mean_class_recall": labels}


@pytest.fixture
def answers():
    """Rows of the three metrics for 200 samples, and the 60 clusters they belong to."""
    rng = np.random.default_rng(0)
    target = rng.choice(["circle", "square", "yes", "no"], size=200).astype(object)
    prediction = np.where(rng.random(200) < 0.7, target, "yes")
    return all_rows(target, prediction), rng.integers(60, size=200).astype(str).astype(object)


def shuffled(rows, order):
    return {name: {key: column[order] for key, column in columns.items()} for name, columns in rows.items()}


def test_methods_without_and_with_clusters(answers):
    rows, groups = answers
    alone = intervals(METRICS, rows, None, resamples=99)
    clustered = intervals(METRICS, rows, groups, resamples=99)
    assert [alone[name].method for name in METRICS] == ["wilson", "basic-bootstrap", "bootstrap"]
    assert [clustered[name].method for name in METRICS] == [
        "clustered-bootstrap",
        "clustered-basic-bootstrap",
        "clustered-bootstrap",
    ]
    for name, metric in METRICS.items():
        for found in (alone[name], clustered[name]):
            assert found.value == metric.aggregate(rows[name])
            assert found.low < found.value < found.high
            assert (found.n, found.level) == (200, 0.95)


@pytest.mark.parametrize("groups", [[str(i) for i in range(200)], [None] * 200, ["x", *[np.nan] * 199]])
def test_clusters_of_one_are_no_clusters(answers, groups):
    rows, _ = answers
    groups = np.array(groups, dtype=object)
    assert intervals(METRICS, rows, groups, resamples=99) == intervals(METRICS, rows, None, resamples=99)


def test_missing_group_is_a_cluster_of_its_own():
    rows = correct(1, 1, 0, 0, 1, 0)
    named = np.array(["a", "a", "b", "c", "d", "e"], dtype=object)
    missing = np.array(["a", "a", None, None, None, None], dtype=object)
    assert interval(Accuracy(), rows, missing) == interval(Accuracy(), rows, named)


@pytest.mark.parametrize("clustered", [False, True])
def test_row_order_changes_nothing(answers, clustered):
    rows, groups = answers
    order = np.random.default_rng(1).permutation(200)
    groups, reordered = (groups, groups[order]) if clustered else (None, None)
    before = intervals(METRICS, rows, groups, resamples=199)
    assert intervals(METRICS, shuffled(rows, order), reordered, resamples=199) == before


@pytest.mark.parametrize("clustered", [False, True])
def test_other_metrics_change_nothing(answers, clustered):
    rows, groups = answers
    groups = groups if clustered else None
    together = intervals(METRICS, rows, groups, resamples=199)
    for name, metric in METRICS.items():
        assert interval(metric, rows[name], groups, resamples=199) == together[name]


def test_seed_decides_the_resamples(answers):
    rows, groups = answers
    first, again, other = (interval(MacroF1(), rows["macro_f1"], groups, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.low != other.low
    assert first.low == pytest.approx(other.low, abs=0.01)


def test_wider_level_and_larger_clusters_widen(answers):
    rows, _ = answers
    width = {}
    for copies in (1, 4):
        repeated = {key: np.repeat(column, copies) for key, column in rows["macro_f1"].items()}
        groups = np.repeat(np.arange(200).astype(str), copies)
        for level in (0.8, 0.95):
            found = interval(MacroF1(), repeated, groups, level=level)
            width[copies, level] = found.high - found.low
    assert width[1, 0.8] < width[1, 0.95]
    # Copies of a sample in its cluster hold no information.
    assert width[4, 0.95] == pytest.approx(width[1, 0.95], rel=0.05)


@pytest.mark.parametrize("value", [0, 1])
def test_constant_proportion_in_clusters_is_wilson_over_clusters(value):
    found = interval(Accuracy(), correct(*[value] * 12), np.repeat(list("abcd"), 3), resamples=99)
    low, high = stats.binomtest(4 * value, 4).proportion_ci(method="wilson")
    assert found == Interval(float(value), low, high, 0.95, 12, "wilson-clusters")


def test_equal_clusters_are_wilson_over_clusters():
    found = interval(Accuracy(), correct(*[1, 0] * 10), np.repeat(np.arange(10), 2).astype(str), resamples=99)
    low, high = stats.binomtest(5, 10).proportion_ci(method="wilson")
    assert found == Interval(0.5, pytest.approx(low), pytest.approx(high), 0.95, 20, "wilson-clusters")


def test_one_cluster_says_nothing_about_others():
    found = intervals(METRICS, all_rows(np.array(["a", "b"]), np.array(["a", "a"])), np.array(["x", "x"]), resamples=99)
    assert found["accuracy"].method == "wilson-clusters"
    assert found["accuracy"].low == 0.0
    assert found["accuracy"].high == 1.0
    assert found["macro_f1"].value == pytest.approx(1 / 3)
    assert (found["macro_f1"].low, found["macro_f1"].high) == (None, None)


def test_one_sample():
    found = intervals(METRICS, all_rows(np.array(["a"]), np.array(["a"])), None, resamples=99)
    assert (found["accuracy"].low, found["accuracy"].high) == pytest.approx((0.2065, 1.0), abs=1e-4)
    assert found["macro_f1"] == Interval(1.0, None, None, 0.95, 1, "basic-bootstrap")


@pytest.mark.parametrize("clustered", [False, True])
def test_all_right_leaves_other_metrics_without_bounds(clustered):
    target = np.array(["a", "b", "c", "a"] * 5)
    groups = np.repeat(np.arange(5), 4).astype(str) if clustered else None
    found = intervals(METRICS, all_rows(target, target), groups, resamples=99)
    assert found["accuracy"].low < found["accuracy"].high == 1.0
    assert (found["macro_f1"].value, found["macro_f1"].low, found["macro_f1"].high) == (1.0, None, None)


@pytest.mark.parametrize("groups", [None, np.array([], dtype=object)])
def test_no_rows(groups):
    empty = np.array([], dtype=object)
    found = intervals(METRICS, all_rows(empty, empty), groups)
    assert {(one.value, one.low, one.high, one.n) for one in found.values()} == {(None, None, None, 0)}


def test_no_metrics(answers):
    assert intervals({}, {}, answers[1]) == {}


@pytest.mark.parametrize("clustered", [False, True])
def test_real_numbers_agree_with_the_normal_interval(clustered):
    score = np.random.default_rng(5).normal(size=2000)
    groups = np.repeat(np.arange(1000), 2).astype(str) if clustered else None
    found = interval(MeanScore(), {"score": score}, groups)
    error = stats.sem(score.reshape(1000, 2).mean(axis=1)) if clustered else stats.sem(score)
    assert (found.low, found.high) == pytest.approx(stats.norm.interval(0.95, score.mean(), error), abs=0.004)


def test_resample_without_a_value_is_left_out():
    class OnlyFirst(MeanScore):
        def statistics(self, rows):
            return np.stack([rows["score"], rows["scored"]], axis=1)

    rows = {"score": np.array([0.2, 0.8, 0.0, 0.0, 0.0]), "scored": np.array([1.0, 1.0, 0.0, 0.0, 0.0])}
    with warnings.catch_warnings(action="error"):
        found = interval(OnlyFirst(), rows, None, resamples=999)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.2, 0.8))


def test_many_clusters_in_many_chunks():
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(30_000), 2).astype(str)
    values = rng.integers(2, size=60_000)
    found = interval(Accuracy(), {"correct": values}, groups, resamples=300)
    error = stats.sem(values.reshape(-1, 2).mean(axis=1))
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.2)


class Spread(MeanScore):
    """The standard deviation, which resampling makes too small."""

    name = "spread"
    bootstrap = "basic"

    def statistics(self, rows):
        x = np.asarray(rows["score"], dtype=float)
        return np.stack([x, x**2, np.ones(len(x))], axis=1)

    def value(self, sums):
        mean = sums[..., 0] / sums[..., 2]
        return np.sqrt(np.maximum(sums[..., 1] / sums[..., 2] - mean**2, 0))


def test_basic_bootstrap_is_that_of_scipy():
    scores = np.random.default_rng(0).normal(size=40)
    found = interval(Spread(), {"score": scores}, None)
    expected = stats.bootstrap(
        (scores,), np.std, n_resamples=9999, method="basic", vectorized=True, rng=1
    ).confidence_interval
    assert found.method == "basic-bootstrap"
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.01)


def test_basic_bootstrap_holds_the_value_and_is_no_less_than_nothing():
    """Absolute mean of noise around 0: every resample is farther from 0 than the value."""

    class Gap(MeanScore):
        bootstrap = "basic"

        def value(self, sums):
            return np.abs(sums[..., 0] / sums[..., 1])

    found = interval(Gap(), {"score": np.array([-1.0, 1.0] * 20 + [0.001])}, None)
    assert found.low == 0.0
    assert found.high == found.value > 0


def test_metric_that_wants_no_interval():
    class Never(MeanScore):
        bootstrap = "none"

    found = interval(Never(), {"score": np.array([1.0, 2.0])}, None)
    assert (found.value, found.low, found.high, found.n, found.method) == (1.5, None, None, 2, "none")
    both = intervals({"a": Never(), "b": MeanScore()}, {k: {"score": np.array([1.0, 2.0])} for k in "ab"}, None)
    assert both["b"].low == 1.0
