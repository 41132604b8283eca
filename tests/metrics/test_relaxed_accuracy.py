"""Relaxed accuracy. Reference: the rule of Masry et al. 2022 in stated examples; no package has it to itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbench.metrics.relaxed_accuracy import RelaxedAccuracy, grouped_number, plain_number
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample


def correct(prediction, answers, **options):
    (found,) = RelaxedAccuracy(**options).row(Prediction(prediction), Sample("s", {}, answers))
    return found


@pytest.mark.parametrize(
    ("prediction", "answers", "grouped", "plain"),
    [
        ("105", ["100"], 1, 1),
        ("95", ["100"], 1, 1),
        ("105.1", ["100"], 0, 0),
        ("-95", ["100"], 0, 0),
        ("-95", ["-100"], 1, 1),
        ("2010", ["1950"], 1, 1),  # years are numbers
        ("1,000", ["1000"], 1, 0),
        ("1000", ["1,000"], 1, 0),
        ("1,020,000", ["1,000,000"], 1, 0),
        ("1,00", ["100"], 0, 0),
        ("0", ["0"], 1, 1),
        ("0.0", ["0"], 1, 0),
        ("-0", ["0.00"], 1, 0),
        ("0.001", ["0"], 0, 0),
        ("0", ["0.001"], 0, 0),
        ("5%", ["5 %"], 1, 1),
        ("0.05", ["5%"], 1, 1),
        ("5", ["5%"], 0, 0),
        ("1e3", ["1000"], 1, 1),
        ("nan", ["100"], 0, 0),
        ("inf", ["100"], 0, 0),
        ("100", ["inf"], 0, 0),
        ("1e999", ["1e999"], 1, 1),  # no number, but the same text
        ("1e999", ["2e999"], 0, 0),
        ("NaN", ["nan"], 1, 1),
        ("Light  Blue\n", ["light blue"], 1, 1),
        ("light blu", ["light blue"], 0, 0),
        ("102", ["7", "100"], 1, 1),
        ("", ["0"], 0, 0),
        ("100", "100", 1, 1),
    ],
)
def test_row(prediction, answers, grouped, plain):
    assert correct(prediction, answers) == correct(prediction, answers, numbers="grouped") == grouped
    assert correct(prediction, answers, numbers="plain") == plain


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-Infinity", "1e999", "", "%", ".", "1_000", "٣", "0x10", "1 000", "$5", "5%%"]
)
def test_no_number(text):
    assert plain_number(text) is None
    assert grouped_number(text) is None


@settings(deadline=None, max_examples=100)
@given(target=st.floats(1e-3, 1e6), factor=st.floats(0.9, 1.1), sign=st.sampled_from([1, -1]))
def test_tolerance(target, factor, sign):
    prediction, answer = repr(sign * target * factor), repr(sign * target)
    expected = abs(float(prediction) - float(answer)) / target <= 0.05
    assert correct(prediction, [answer]) == correct(prediction, ["x", answer, "y"]) == int(expected)


@settings(deadline=None, max_examples=50)
@given(number=st.integers(-(10**9), 10**9))
def test_separators_do_not_matter(number):
    assert grouped_number(f"{number:,}") == number
    assert correct(f"{number:,}", [str(number)]) == 1


@pytest.mark.parametrize("answers", [[], None])
def test_no_answer_is_an_error(answers):
    with pytest.raises(ValueError, match="the sample has no answer"):
        correct("red", answers)


def test_value_is_the_share_of_right_answers():
    assert RelaxedAccuracy().aggregate({"correct": np.array([1, 0, 1, 1])}) == 0.75
    np.testing.assert_array_equal(RelaxedAccuracy().value(np.array([[3.0, 4.0], [0.0, 0.0]])), [0.75, np.nan])
    assert RelaxedAccuracy.proportion


def test_is_registered():
    assert registry.load("metric", "relaxed_accuracy") is RelaxedAccuracy
