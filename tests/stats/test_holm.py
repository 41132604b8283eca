"""Holm's correction. References: what R's p.adjust(method = "holm") prints, and the closure of Bonferroni's tests."""

from itertools import combinations

import numpy as np
import pytest

from mmbench.stats.holm import holm


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.6, 0.7], [1.0, 1.0]),
        ([0.03], [0.03]),
        ([], []),
    ],
)
def test_worked_examples(p_values, expected):
    assert holm(p_values) == pytest.approx(expected)


def closed(p_values):
    """A hypothesis falls where every set that holds it does by Bonferroni: Marcus, Peritz & Gabriel 1976."""
    everyone = range(len(p_values))
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in combinations(everyone, size)]
    bonferroni = {chosen: min(1.0, len(chosen) * min(p_values[i] for i in chosen)) for chosen in sets}
    return [max(p for chosen, p in bonferroni.items() if i in chosen) for i in everyone]


@pytest.mark.parametrize("seed", range(5))
def test_is_the_closure_of_bonferroni(seed):
    p_values = (np.random.default_rng(seed).random(7) ** 4).round(3).tolist()  # some are small, some are equal
    assert holm(p_values) == pytest.approx(closed(p_values))


def test_undefined_stays_and_does_not_count():
    assert holm([None, 0.02, None, 0.03]) == [None, 0.04, None, 0.04]


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ValueError, match="is no p-value"):
        holm([0.1, wrong])
