"""VQA accuracy by worked examples; `tests/reference/test_vqa_accuracy.py` compares it with the official evaluation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbench.metrics.metric import as_columns, score_all
from mmbench.metrics.vqa_accuracy import VQAAccuracy, VQAAccuracyNormalized
from mmbench.metrics.vqa_text import Memo, normalize
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample
from mmbench.stats.intervals import interval

BOTH = pytest.mark.parametrize("metric", [VQAAccuracy(), VQAAccuracyNormalized()], ids=lambda metric: metric.name)
TEXTS = st.sampled_from(["red", "Red", "red.", " red", "the red", "blue", "none", "0", "1,000", "dont", "don't", ""])


def score(metric, prediction, answers):
    (value,) = metric.row(Prediction(prediction), Sample("s", {}, answers))
    return value


@BOTH
@pytest.mark.parametrize(("agreeing", "expected"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (9, 1.0)])
def test_ten_answers(metric, agreeing, expected):
    """Exactly the nearest doubles, as the mean over questions must not depend on how thirds are added."""
    assert score(metric, "red", ["red"] * agreeing + ["blue"] * (10 - agreeing)) == expected


@BOTH
@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["red", "blue"], 1 / 6),  # left out red: 0 of 1 others; left out blue: 1 of 1, a third
        (["red", "red"], 1 / 3),
        (["red", "blue", "blue"], 2 / 9),
        (["red", "red", "red", "blue"], 0.75),  # 2/3, 2/3, 2/3, 1
    ],
)
def test_fewer_answers_by_the_same_rule(metric, answers, expected):
    assert score(metric, "red", answers) == pytest.approx(expected, abs=1e-15)


def test_unanimous_answers_are_compared_raw():
    assert score(VQAAccuracy(), "Black.", ["black"] * 10) == 0
    assert score(VQAAccuracyNormalized(), "Black.", ["black"] * 10) == 1
    assert score(VQAAccuracy(), "Black.", ["black"] * 9 + ["blue"]) == 1
    assert score(VQAAccuracy(), "Black.", ["Black."] * 10) == 1


def test_unanimous_but_for_outer_white_space_is_unanimous():
    answers = ["black", " black", "black\n", "\tblack", "black  "] * 2
    assert score(VQAAccuracy(), "Black", answers) == 0
    assert score(VQAAccuracy(), "\nblack", answers) == 1


def test_answers_with_one_normal_form_are_not_unanimous():
    assert score(VQAAccuracy(), "RED", ["red"] * 5 + ["Red"] * 5) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two dogs", "2 dogs"),
        ("none", "0"),
        ("the cat, a dog", "cat dog"),
        ("2.", "2"),
        (".5", ".5"),
        ("1,000", "1000"),
        ("1,000 red-blue", "1000 redblue"),  # a comma between digits makes every mark vanish
        ("red-blue", "red blue"),
        ("red - blue", "red blue"),
        ("red -blue-green", "red bluegreen"),  # one stands beside a space, so all hyphens vanish
        ("yes!", "yes"),
        ("'tis 5:30", "'tis 5:30"),
        ("dont", "don't"),
        ("Couldntve", "couldntve"),
        ("couldn'tve", "couldn't've"),
        ("somebody'd", "somebodyd"),
        ("Id've", "id've"),
        ("the", ""),
        ("a\tb\nc", "b c"),
        ("." * 40, "." * 8),
        ("½ ’quoted’", "½ ’quoted’"),
    ],
)
def test_normalization(text, expected):
    assert normalize(text) == expected


@BOTH
def test_one_answer_does_not_count(metric):
    """Nobody else is there to agree with, whether the only answer stands in a list or not."""
    samples = [["red"], "red", ["red", "red"], ["blue", "blue", "blue"]]
    rows = [metric.row(Prediction("red"), Sample(str(n), {}, answers)) for n, answers in enumerate(samples)]
    np.testing.assert_array_equal(rows, [[np.nan], [np.nan], [1 / 3], [0.0]])
    columns = as_columns(metric, rows)
    assert metric.selected(columns).tolist() == [False, False, True, True]
    assert interval(metric, metric.select(columns), None, resamples=99).n == 2
    assert metric.aggregate(columns) == pytest.approx(1 / 6)
    assert np.isnan(score_all(metric, rows[:2]))
    assert metric.details(columns) == {"single_answer_questions": 2}
    assert metric.details(as_columns(metric, rows[2:])) is None


@BOTH
def test_all_count_where_each_has_several_answers(metric):
    assert metric.selected({"score": np.array([0.3, 1.0])}) is None


@BOTH
@pytest.mark.parametrize("answers", [[], (), None])
def test_no_answer_is_an_error(metric, answers):
    with pytest.raises(ValueError, match="the sample has no answer"):
        score(metric, "red", answers)


@BOTH
@pytest.mark.parametrize("answers", [[3, 3, 3], ["red", None], 3])
def test_answers_must_be_text(metric, answers):
    with pytest.raises(TypeError, match="expected an answer as text, found"):
        score(metric, "red", answers)


@BOTH
@settings(deadline=None, max_examples=100)
@given(prediction=TEXTS, answers=st.lists(TEXTS, min_size=2, max_size=10), data=st.data())
def test_order_of_answers_changes_nothing(metric, prediction, answers, data):
    value = score(metric, prediction, answers)
    assert 0 <= value <= 1
    assert score(metric, prediction, data.draw(st.permutations(answers))) == value
    assert score(metric, prediction, tuple(answers)) == value


@settings(deadline=None, max_examples=100)
@given(prediction=TEXTS, answers=st.lists(TEXTS, min_size=2, max_size=10))
def test_raw_comparison_is_never_kinder(prediction, answers):
    assert score(VQAAccuracy(), prediction, answers) <= score(VQAAccuracyNormalized(), prediction, answers)


@BOTH
def test_parts_sum_to_the_whole(metric):
    rng = np.random.default_rng(0)
    scores = rng.choice([0, 0.3, 0.6, 0.9, 1], size=200)
    merged = sum(metric.statistics({"score": part}).sum(axis=0) for part in np.split(scores, [7, 60]))
    assert metric.value(merged) == pytest.approx(metric.aggregate({"score": scores}), abs=1e-12)
    assert metric.aggregate({"score": scores}) == pytest.approx(scores.mean(), abs=1e-12)


@BOTH
def test_value_keeps_leading_axes(metric):
    np.testing.assert_array_equal(metric.value(np.array([[[1.5, 2.0]], [[0.0, 0.0]]])), [[0.75], [np.nan]])


def test_memo_forgets_before_it_grows_too_large():
    class Small(Memo):
        entries = 3
        characters = 5

    asked = []
    memo = Small(lambda text: asked.append(text) or text.upper())
    for text in ["a", "b", "a", "c", "toolong", "toolong", "d", "a"]:
        assert memo[text] == text.upper()
        assert len(memo) <= 3
    assert asked == ["a", "b", "c", "toolong", "toolong", "d", "a"]


@BOTH
def test_is_registered(metric):
    assert registry.load("metric", metric.name) is type(metric)
