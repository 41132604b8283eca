"""Whether both sides answer alike."""

import pytest

from mmbench.gate.answers import compare_answers


def answer(value="", numbers=None, embeds=False):
    return {"value": value, "numbers": numbers, "embeds": embeds}


def test_the_same_answers():
    answers = [answer("yes", [0.0, -1.0]), answer("no")]
    found = compare_answers(answers, answers)
    assert (found.samples, found.differ, found.largest, found.first) == (2, 0, 0.0, None)


def test_scores_behind_equal_answers_may_differ_and_it_is_told():
    found = compare_answers([answer("yes", [0.0, -1.0])], [answer("yes", [0.5, -1.25])])
    assert (found.differ, found.largest) == (0, 0.5)


def test_other_answers_are_counted_and_the_first_shown():
    base = [answer("a"), answer("yes"), answer("x" * 100)]
    head = [answer("a"), answer("no\x1b[31m"), answer("y")]
    found = compare_answers(base, head)
    assert found.differ == 2
    assert found.first == "sample 1: 'yes' in base, 'no�[31m' in head"
    assert compare_answers(base[2:], head[2:]).first == f"sample 0: '{'x' * 39}…' in base, 'y' in head"


@pytest.mark.parametrize(
    ("numbers", "differ"),
    [([1.0, -2.0], 0), ([1.001, -2.0], 0), ([1.003, -2.0], 1), ([1.0], 1), (None, 1), ([float("nan"), 0.0], 1)],
)
def test_vectors_must_be_close(numbers, differ):
    found = compare_answers([answer(numbers=[1.0, -2.0], embeds=True)], [answer(numbers=numbers, embeds=True)])
    assert found.differ == differ
    if differ:
        assert found.first == "sample 0: another vector in base, another vector in head"
