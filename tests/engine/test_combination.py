"""Ways to make one decision of several, against their definitions in plain numpy."""

import numpy as np
import pytest

from mmbench.engine.combination import Combination, combine, parse_combinations, vote
from mmbench.errors import UsageError

RNG = np.random.default_rng(0)
PROBABILITIES = RNG.dirichlet(np.ones(4), size=(3, 50))
SCORES = [np.log(each) + shift for each, shift in zip(PROBABILITIES, (0.0, 3.0, -2.0), strict=True)]


def test_mean_is_of_probabilities():
    np.testing.assert_allclose(np.exp(combine(Combination("mean"), SCORES)), PROBABILITIES.mean(axis=0))


def test_weights_need_no_sum():
    found = np.exp(combine(Combination("weighted", (4.0, 0.0, 1.0)), SCORES))
    np.testing.assert_allclose(found, 0.8 * PROBABILITIES[0] + 0.2 * PROBABILITIES[2])


def test_product_is_normalised():
    product = PROBABILITIES.prod(axis=0)
    expected = product / product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(combine(Combination("product"), SCORES)), expected)


def test_what_one_member_rules_out_is_out_of_a_product_only():
    with np.errstate(divide="ignore"):
        scores = [np.log([[1.0, 0.0, 0.0]]), np.log([[0.5, 0.5, 0.0]])]
    np.testing.assert_allclose(np.exp(combine(Combination("product"), scores)), [[1, 0, 0]])
    np.testing.assert_allclose(np.exp(combine(Combination("mean"), scores)), [[0.75, 0.25, 0]])


def test_a_product_without_a_possible_label_says_so():
    with np.errstate(divide="ignore"):
        scores = [np.log([[1.0, 0.0]]), np.log([[0.0, 1.0]])]
    assert np.isneginf(combine(Combination("product"), scores)).all()


def test_vote_goes_to_the_most_and_ties_to_the_first():
    assert vote([["a", "a", "x", "a"], ["b", "b", "y", "b"], ["b", "c", "z", "a"]]) == ["b", "a", "x", "a"]
    assert vote([["a"], ["b"], ["b"], ["a"]]) == ["a"]
    assert vote([["b"], ["a"], ["a"], ["b"]]) == ["b"]
    assert vote([[], []]) == []


def test_kinds_and_weights_are_parsed():
    assert parse_combinations("mean, vote,weighted=0.7:0.2:0.1") == [
        Combination("mean"),
        Combination("vote"),
        Combination("weighted", (0.7, 0.2, 0.1)),
    ]
    assert Combination("weighted", (0.7, 0.2, 0.1)).label() == "weighted=0.7:0.2:0.1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prodct", "did you mean 'product'"),
        ("mean,mean", "names mean twice"),
        ("weighted", "needs the weight of each model"),
        ("mean=1:2", "takes no weights"),
        ("weighted=a:b", "weights are numbers"),
        ("weighted=-1:2", "at least 0"),
        ("weighted=0:0", "not all 0"),
        ("weighted=nan:1", "at least 0"),
    ],
)
def test_what_is_no_combination_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        parse_combinations(text)


def test_numbers_of_members_are_checked():
    with pytest.raises(UsageError, match="has 2 weights for 3 models"):
        Combination("weighted", (1.0, 2.0)).check(3)
    with pytest.raises(UsageError, match="at least two models"):
        Combination("mean").check(1)
