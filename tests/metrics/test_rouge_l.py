"""Reference: pycocoevalcap's `Rouge`, live in tests/reference; here by hand."""

import numpy as np
import pytest

from mmbench.metrics.captions import Captions
from mmbench.metrics.rouge_l import ROUGEL
from mmbench.registry import registry


def scores(candidates, references):
    return ROUGEL().measure(Captions(candidates, references))["score"].tolist()


def test_f_score_by_hand():
    # "a c" is common: precision 2/4, recall 2/3.
    assert scores(["a b c d"], [["a c e"]]) == [pytest.approx(2.44 * 0.5 * (2 / 3) / (2 / 3 + 1.44 * 0.5))]


def test_precision_and_recall_may_come_from_different_references():
    # Precision 3/4 from the first reference (recall 3/6), recall 1 from the second (precision 1/4).
    assert scores(["a b c d"], [["a b c x y z", "d"]]) == [pytest.approx(2.44 * 0.75 / (1 + 1.44 * 0.75))]


def test_limits():
    assert scores(["a b", "", "a", ""], [["a b", "x"], ["a"], ["b", ""], [""]]) == [1, 0, 0, 0]


def test_value_is_the_mean_over_images():
    columns = ROUGEL().measure(Captions(["a b", "a", "c"], [["a b"], ["b"], ["c", "d"]]))
    assert ROUGEL().aggregate(columns) == pytest.approx(2 / 3)
    np.testing.assert_array_equal(ROUGEL().value(np.array([[3.0, 4.0], [0.0, 0.0]])), [0.75, np.nan])


def test_is_registered():
    assert registry.load("metric", "rouge_l") is ROUGEL
