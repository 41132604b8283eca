import json

import numpy as np
import pytest

from mmbench.metrics.macro_f1 import MacroF1
from mmbench.metrics.mean_class_recall import MeanClassRecall
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample
from mmbench.stats.intervals import interval

BOTH = pytest.mark.parametrize("metric", [MacroF1(), MeanClassRecall()], ids=lambda metric: metric.name)


def columns(target, prediction):
    return {"target": np.array(target, dtype=object), "prediction": np.array(prediction, dtype=object)}


def random_rows(n=300, classes=7):
    rng = np.random.default_rng(1)
    target, prediction = rng.integers(classes, size=n), rng.integers(classes + 2, size=n)
    return columns(target.astype(str), np.where(rng.random(n) < 0.6, target, prediction).astype(str))


@BOTH
def test_row_is_target_and_prediction_as_text(metric):
    assert metric.row(Prediction("3"), Sample("s", {}, 3)) == ("3", "3")


def test_values_by_hand():
    # a: 1 hit of 2, predicted once; b: 1 hit of 1, predicted twice. F1 = 2/3 each, recall 1/2 and 1.
    rows = columns(["a", "a", "b"], ["a", "b", "b"])
    assert MacroF1().aggregate(rows) == pytest.approx(2 / 3)
    assert MeanClassRecall().aggregate(rows) == pytest.approx(3 / 4)


def test_class_that_is_only_predicted_has_no_term():
    rows = columns(["a", "a", "b"], ["a", "c", "b"])
    assert MacroF1().aggregate(rows) == pytest.approx((2 / 3 + 1) / 2)
    assert MeanClassRecall().aggregate(rows) == pytest.approx((1 / 2 + 1) / 2)


@BOTH
def test_class_absent_from_a_resample_has_no_term(metric):
    statistics = metric.statistics(columns(["a", "b", "b"], ["a", "b", "a"])).toarray()
    both, only_b = statistics.sum(axis=0), statistics[[1, 1, 1]].sum(axis=0)
    np.testing.assert_array_equal(metric.value(np.stack([both, only_b, 0 * both]))[1:], [1.0, np.nan])


@BOTH
@pytest.mark.parametrize("classes", [0, 1, 4])
def test_value_keeps_leading_axes(metric, classes):
    sums = np.ones((5, 2, 3 * classes))
    assert metric.value(sums).shape == (5, 2)


@BOTH
def test_no_rows_give_nan(metric):
    assert np.isnan(metric.aggregate(columns([], [])))


@BOTH
def test_row_order_changes_nothing(metric):
    rows = random_rows()
    order = np.random.default_rng(2).permutation(len(rows["target"]))
    assert metric.aggregate({name: column[order] for name, column in rows.items()}) == metric.aggregate(rows)


@BOTH
def test_parts_of_the_statistics_sum_to_the_whole(metric):
    rows = random_rows()
    statistics = metric.statistics(rows)
    merged = sum(statistics[part].sum(axis=0) for part in np.split(np.arange(300), [11, 190]))
    assert metric.value(merged) == metric.aggregate(rows)


@BOTH
def test_statistics_stay_small_with_many_classes(metric):
    names = np.arange(1000).astype(str)
    target = np.tile(names, 50)
    statistics = metric.statistics(columns(target, np.roll(target, 1)))
    assert statistics.shape == (50_000, 3000)
    assert statistics.nnz == 100_000


def test_interval_of_macro_f1_holds_its_value_with_many_classes():
    """With ten samples a class, the value lies above all percentiles of its resamples."""
    rng = np.random.default_rng(0)
    target, other = rng.integers(1000, size=(2, 10_000))
    rows = columns(target.astype(str), np.where(rng.random(10_000) < 0.5, target, other).astype(str))
    found = interval(MacroF1(), rows, None, resamples=299)
    assert found.method == "basic-bootstrap"
    assert found.low <= found.value < found.high


def test_interval_of_macro_f1_ends_at_one():
    target = np.repeat(np.arange(50), 4).astype(str)
    found = interval(MacroF1(), columns(target, np.where(np.arange(200) == 7, "wrong", target)), None, resamples=299)
    assert found.low < found.value < found.high <= 1


@BOTH
def test_is_registered(metric):
    assert registry.load("metric", metric.name) is type(metric)


def test_confusion_matrix_by_hand():
    rows = columns(["b", "a", "b", "b", "a"], ["b", "a", "c", "c", "b"])
    assert MeanClassRecall().details(rows) == {
        "labels": ["a", "b", "c"],  # c is only predicted
        "confusion": [[0, 0, 1], [0, 1, 1], [1, 1, 1], [1, 2, 2]],
    }


def test_confusion_matrix_gives_the_metrics_back():
    """Reference: recall and F1 from the counts of the matrix, as they are defined."""
    rows = random_rows()
    details = json.loads(json.dumps(MeanClassRecall().details(rows)))
    n = len(details["labels"])
    assert n == 9  # seven classes, and two that are only predicted
    matrix = np.zeros((n, n))
    for true, predicted, count in details["confusion"]:
        matrix[true, predicted] += count
    assert matrix.sum() == 300
    hits, true, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    present = true > 0
    recall, f1 = hits[present] / true[present], 2 * hits[present] / (true + predicted)[present]
    assert MeanClassRecall().aggregate(rows) == pytest.approx(recall.mean())
    assert MacroF1().aggregate(rows) == pytest.approx(f1.mean())


def test_confusion_matrix_stays_small_with_many_classes():
    names = np.arange(1000).astype(str)
    target = np.tile(names, 50)
    details = MeanClassRecall().details(columns(target, np.roll(target, 1)))
    assert len(details["labels"]) == 1000
    assert len(details["confusion"]) == 1000
    assert len(json.dumps(details)) < 30_000


def test_confusion_matrix_of_nothing():
    assert MeanClassRecall().details(columns([], [])) == {"labels": [], "confusion": []}
