"""ANLS by worked examples; `tests/reference/test_vqa_accuracy.py` compares it with the formula of the paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbench.metrics.anls import ANLS
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample


def similarity(prediction, answers):
    (found,) = ANLS().row(Prediction(prediction), Sample("s", {}, answers))
    return found


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("invoice", ["invoice"], 1.0),
        ("INVOICE", "invoice", 1.0),
        (" in  voice\n", ["in voice"], 1.0),
        ("invoise", ["receipt", "invoice"], 6 / 7),  # the nearest of several
        ("abcd", ["abxy"], 0.0),  # a distance of exactly half the length is too far
        ("abcde", ["abcxy"], 0.6),
        ("", ["invoice"], 0.0),
        ("", [""], 1.0),
        ("a", ["b"], 0.0),
    ],
)
def test_row(prediction, answers, expected):
    assert similarity(prediction, answers) == pytest.approx(expected, abs=1e-15)


@settings(deadline=None, max_examples=100)
@given(first=st.text("abc", max_size=6), answers=st.lists(st.text("abc", max_size=6), min_size=1), data=st.data())
def test_properties(first, answers, data):
    found = similarity(first, answers)
    assert found == 0 or 0.5 < found <= 1
    assert similarity(first, data.draw(st.permutations(answers))) == found
    assert similarity(first, [*answers, first]) == 1
    assert similarity(first, [answers[0]]) == similarity(answers[0], [first])


@pytest.mark.parametrize("answers", [[], None])
def test_no_answer_is_an_error(answers):
    with pytest.raises(ValueError, match="the sample has no answer"):
        similarity("red", answers)


def test_value_is_the_mean():
    assert ANLS().aggregate({"similarity": np.array([1.0, 0.0, 0.8])}) == pytest.approx(0.6)
    np.testing.assert_array_equal(ANLS().value(np.array([[3.0, 4.0], [0.0, 0.0]])), [0.75, np.nan])


def test_is_registered():
    assert registry.load("metric", "anls") is ANLS
