"""Reference: pycocoevalcap's `Cider`, live in tests/reference; here what follows from the definition."""

import math

import numpy as np
import pytest

from mmbench.metrics.captions import Captions
from mmbench.metrics.cider_d import CIDErD, cider_d
from mmbench.registry import registry
from mmbench.stats.intervals import interval


def test_one_image_has_no_score():
    """Every n-gram is in every image, so none is telling."""
    assert cider_d(Captions(["a b c d"], [["a b c d", "a b"]])).tolist() == [0]


def test_the_same_rare_words_give_ten():
    captions = Captions(["a b c d", "e f g h"], [["a b c d"], ["e f g h"]])
    assert cider_d(captions).tolist() == pytest.approx([10, 10])


def test_by_hand():
    """Two images; the word common to both counts for nothing, so only n-grams with "dog" or "runs" do.

    Words: cos = 1/sqrt(2). Pairs: "a dog" is shared of "a dog", "dog runs": 1/sqrt(2). Triples: "a dog runs" has no
    equal. The candidate is one pair shorter: exp(-1/72).
    """
    captions = Captions(["a dog", "a x"], [["a dog runs"], ["a y z"]])
    expected = 10 * (1 / math.sqrt(2) + 1 / math.sqrt(2)) / 4 * math.exp(-1 / 72)
    assert cider_d(captions).tolist() == pytest.approx([expected, 0])


def test_repeated_words_are_clipped():
    once, often = (Captions([text, "y"], [["dog cat"], ["z"]]) for text in ("dog cat", "dog dog dog dog"))
    assert cider_d(often)[0] < cider_d(once)[0] / 2


def test_empty_captions_score_nothing():
    assert cider_d(Captions(["", "a b"], [["c d"], ["a b", ""]]))[0] == 0
    assert cider_d(Captions(["", ""], [[""], ["", ""]])).tolist() == [0, 0]


def test_frequencies_stay_those_of_all_images():
    """A part of the rows has the scores that they had in the whole."""
    texts = ["a dog runs fast", "a cat sits", "a dog runs", "the red cat"]
    references = [["a dog runs home"], ["a cat sits down"], ["the dog runs"], ["a cat"]]
    columns = CIDErD().measure(Captions(texts, references))
    part = {name: values[:2] for name, values in columns.items()}
    assert CIDErD().aggregate(part) == pytest.approx(columns["score"][:2].mean())
    alone = cider_d(Captions(texts[:2], references[:2]))
    assert np.abs(alone - columns["score"][:2]).min() > 0.1
    assert CIDErD().details(columns) == {"document_frequencies_from": 4}


def test_order_of_images_and_references_changes_nothing():
    rng = np.random.default_rng(0)
    words = np.array(list("abcdefghij"))
    texts = [[" ".join(words[rng.integers(10, size=rng.integers(1, 9))]) for _ in range(4)] for _ in range(30)]
    order = rng.permutation(30)
    one = cider_d(Captions([first for first, *_ in texts], [rest for _, *rest in texts]))
    other = cider_d(Captions([texts[i][0] for i in order], [texts[i][:0:-1] for i in order]))
    np.testing.assert_allclose(one[order], other, rtol=1e-12)
    found = interval(CIDErD(), {"score": one}, None, resamples=499)
    assert found.low < found.value < found.high


def test_no_images():
    assert np.isnan(CIDErD().aggregate(CIDErD().measure(Captions([], []))))


def test_is_registered():
    assert registry.load("metric", "cider_d") is CIDErD
