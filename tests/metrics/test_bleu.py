"""Reference: pycocoevalcap's `Bleu(4)`, live in tests/reference; here by hand."""

import math

import numpy as np
import pytest

from mmbench.metrics.bleu import BLEU1, BLEU2, BLEU3, BLEU4
from mmbench.metrics.captions import Captions
from mmbench.registry import registry
from mmbench.stats.intervals import interval

ALL = [BLEU1, BLEU2, BLEU3, BLEU4]


def score(metric, candidates, references):
    return metric().aggregate(metric().measure(Captions(candidates, references)))


def test_matches_are_clipped_by_the_reference_that_has_most():
    # Three "the", at most two of which are in one reference.
    assert score(BLEU1, ["the the the"], [["the cat", "the mat the dog"]]) == pytest.approx(2 / 3)


def test_short_captions_are_penalised():
    assert score(BLEU1, ["a b"], [["a b c d"]]) == pytest.approx(math.exp(1 - 4 / 2))
    assert score(BLEU1, ["a b c d"], [["a b"]]) == pytest.approx(1 / 2)


def test_closest_length_is_the_shorter_of_two():
    columns = BLEU1().measure(Captions(["a b c", "a"], [["a b c d", "a b", "a"], ["a b c d e", "a b c"]]))
    assert columns["reference_length"].tolist() == [2, 3]
    assert columns["length"].tolist() == [3, 1]


def test_value_is_of_the_corpus_and_not_the_mean():
    candidates, references = ["a b", "a b c d e f"], [["a b"], ["x b x d x f"]]
    assert score(BLEU1, candidates, references) == pytest.approx(5 / 8)
    assert score(BLEU2, candidates, references) == pytest.approx(math.sqrt(5 / 8 * 1 / 6))


@pytest.mark.parametrize("metric", ALL)
def test_limits(metric):
    assert score(metric, ["a b c d e"], [["a b c d e"]]) == pytest.approx(1)
    assert score(metric, ["x y z x y"], [["a b c d e"]]) == pytest.approx(0, abs=1e-9)
    assert score(metric, [""], [["a b c"]]) == 0
    assert math.isnan(score(metric, [], []))


@pytest.mark.parametrize("metric", ALL)
def test_value_keeps_leading_axes_and_parts_sum_to_the_whole(metric):
    texts = ["a b c d e", "a c b d", "", "e d c b a a b c d"]
    columns = metric().measure(Captions(texts, [[text[::-1] or "a", "a b c d"] for text in texts]))
    statistics = metric().statistics(columns)
    parts = np.stack([statistics[:2].sum(axis=0), statistics[2:].sum(axis=0)])
    assert metric().value(parts[None]).shape == (1, 2)
    assert metric().value(parts.sum(axis=0)) == metric().aggregate(columns)


def test_orders_share_their_rows():
    assert {metric.family for metric in ALL} == {"bleu"}
    assert len({metric().prefix for metric in ALL}) == 1


def test_interval_holds_the_value():
    rng = np.random.default_rng(0)
    words = np.array(list("abcdefgh"))
    texts = [" ".join(words[rng.integers(8, size=9)]) for _ in range(120)]
    columns = BLEU4().measure(Captions(texts, [[other] for other in reversed(texts)]))
    found = interval(BLEU4(), columns, None, resamples=499)
    assert 0 < found.low < found.value < found.high < 1


@pytest.mark.parametrize("metric", ALL)
def test_is_registered(metric):
    assert registry.load("metric", metric.name) is metric
