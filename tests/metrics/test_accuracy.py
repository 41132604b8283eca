import numpy as np
import pytest

from mmbench.metrics.accuracy import Accuracy
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample


@pytest.mark.parametrize(
    ("predicted", "target", "correct"), [("red", "red", 1), ("red", "Red", 0), ("3", 3, 1), ("", "red", 0)]
)
def test_row_compares_text(predicted, target, correct):
    assert Accuracy().row(Prediction(predicted), Sample("s", {}, target)) == (correct,)


def test_value_is_the_share_of_right_answers():
    assert Accuracy().aggregate({"correct": np.array([1, 0, 1, 1])}) == 0.75


def test_value_keeps_leading_axes():
    sums = np.array([[[1.0, 2.0], [0.0, 4.0]], [[0.0, 0.0], [3.0, 3.0]]])
    np.testing.assert_array_equal(Accuracy().value(sums), [[0.5, 0.0], [np.nan, 1.0]])


def test_no_rows_give_nan():
    assert np.isnan(Accuracy().aggregate({"correct": np.array([], dtype=np.int64)}))


def test_shards_sum_to_the_whole():
    correct = np.random.default_rng(0).integers(2, size=100)
    parts = [Accuracy().statistics({"correct": part}) for part in np.split(correct, [7, 60])]
    merged = sum(part.sum(axis=0) for part in parts)
    assert Accuracy().value(merged) == Accuracy().aggregate({"correct": correct}) == correct.mean()


def test_is_registered():
    assert registry.load("metric", "accuracy") is Accuracy
