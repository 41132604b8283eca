"""Lengths and vocabulary: counted by hand."""

import numpy as np
import pytest

from mmbench.metrics.caption_length import CaptionLength
from mmbench.metrics.caption_vocabulary import CaptionVocabulary
from mmbench.metrics.captions import Captions
from mmbench.registry import registry
from mmbench.stats.intervals import interval

CAPTIONS = Captions(
    ["a dog and a dog", "", "a red cat"],
    [["a dog", "two dogs run"], ["a cat"], ["a red cat sits", "it"]],
)


def finished(metric):
    return metric.measure(CAPTIONS)


def test_length_is_the_mean_number_of_words():
    metric = CaptionLength()
    assert metric.aggregate(finished(metric)) == pytest.approx(8 / 3)
    assert metric.details(finished(metric)) == {
        "captions": {"mean": 8 / 3, "min": 0, "max": 5},
        "references": {"mean": 12 / 5, "min": 1, "max": 4},
    }


def test_vocabulary_is_the_number_of_different_words():
    metric = CaptionVocabulary()
    assert metric.aggregate(finished(metric)) == 5  # a, and, cat, dog, red
    # Of a, dog, two, dogs, run, cat, red, sits, it the captions use a, dog, cat, red.
    assert metric.details(finished(metric)) == {"references": 9, "share_of_references": 4 / 9}


def test_vocabulary_keeps_leading_axes():
    sums = np.array([[[1.0, 0.0, 2.0]], [[0.0, 0.0, 0.0]]])
    np.testing.assert_array_equal(CaptionVocabulary().value(sums), [[2.0], [0.0]])


def test_parts_of_the_vocabulary_sum_to_the_whole():
    metric = CaptionVocabulary()
    statistics = metric.statistics(finished(metric))
    assert statistics.toarray().sum() == 8
    assert metric.value(statistics[[0]].sum(axis=0) + statistics[[1, 2]].sum(axis=0)) == 5


def test_vocabulary_has_no_interval():
    metric = CaptionVocabulary()
    found = interval(metric, finished(metric), None)
    assert (found.value, found.low, found.high, found.method) == (5, None, None, "none")


def test_length_gets_an_interval():
    metric = CaptionLength()
    texts = ["a b", "a b c", "a", "a b c d"] * 20
    found = interval(metric, metric.measure(Captions(texts, [["a"]] * 80)), None)
    assert found.low < found.value == 2.5 < found.high


@pytest.mark.parametrize("metric", [CaptionLength, CaptionVocabulary])
def test_no_captions(metric):
    empty = metric().measure(Captions([], []))
    assert metric().aggregate(empty) == pytest.approx(
        {CaptionLength: np.nan, CaptionVocabulary: 0}[metric], nan_ok=True
    )
    metric().details(empty)


@pytest.mark.parametrize("metric", [CaptionLength, CaptionVocabulary])
def test_neither_direction_is_better(metric):
    assert metric.higher_is_better is None


@pytest.mark.parametrize("metric", [CaptionLength, CaptionVocabulary])
def test_is_registered(metric):
    assert registry.load("metric", metric.name) is metric
