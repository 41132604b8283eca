"""Exact match by worked examples; `tests/reference/test_vqa_accuracy.py` compares it with torchmetrics' SQuAD."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbench.errors import UsageError
from mmbench.metrics.exact_match import ExactMatch
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample


def correct(prediction, answers, **options):
    (found,) = ExactMatch(**options).row(Prediction(prediction), Sample("s", {}, answers))
    return found


@pytest.mark.parametrize(
    ("prediction", "answers", "case", "none", "squad"),
    [
        ("red", ["red"], 1, 1, 1),
        ("red", "red", 1, 1, 1),
        ("Red", ["blue", "red"], 1, 0, 1),
        (" dark \n red ", ["Dark red"], 1, 0, 1),
        ("STRASSE", ["straße"], 1, 0, 0),  # folding, which SQuAD's lower-casing is not
        ("red.", ["red"], 0, 0, 1),
        ("the red one", ["red one"], 0, 0, 1),
        ("the", ["a"], 0, 0, 1),
        ("theatre", ["atre"], 0, 0, 0),
        ("", ["red"], 0, 0, 0),
        ("", [""], 1, 1, 1),
        ("red", ["blue", "green"], 0, 0, 0),
    ],
)
def test_row(prediction, answers, case, none, squad):
    assert correct(prediction, answers) == correct(prediction, answers, normalization="case") == case
    assert correct(prediction, answers, normalization="none") == none
    assert correct(prediction, answers, normalization="squad") == squad


@settings(deadline=None, max_examples=100)
@given(answers=st.lists(st.text(max_size=5), min_size=1, max_size=5), data=st.data())
def test_any_answer_in_any_order(answers, data):
    said = data.draw(st.sampled_from(answers))
    for normalization in ("case", "none", "squad"):
        assert correct(said, data.draw(st.permutations(answers)), normalization=normalization) == 1


def test_option_is_checked_and_recorded():
    assert ExactMatch().settings() == {"normalization": "case"}
    with pytest.raises(UsageError, match="normalization of metric exact_match 'squat'; did you mean 'squad'"):
        ExactMatch(normalization="squat")


@pytest.mark.parametrize("answers", [[], None])
def test_no_answer_is_an_error(answers):
    with pytest.raises(ValueError, match="the sample has no answer"):
        correct("red", answers)


def test_value_is_the_share_of_right_answers():
    assert ExactMatch().aggregate({"correct": np.array([1, 0, 1, 1])}) == 0.75
    np.testing.assert_array_equal(ExactMatch().value(np.array([[3.0, 4.0], [0.0, 0.0]])), [0.75, np.nan])
    assert ExactMatch.proportion


def test_is_registered():
    assert registry.load("metric", "exact_match") is ExactMatch
