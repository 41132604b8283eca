"""Shapley values. Reference: the mean over all orders in which players may come, and the glove game by hand."""

from itertools import permutations

import numpy as np
import pytest

from mmbench.stats.shapley import coalitions, shapley_weights


def by_orders(players, value):
    """The definition: what each player adds on arrival, averaged over all orders."""
    orders = list(permutations(players))
    found = dict.fromkeys(players, 0.0)
    for order in orders:
        for place, player in enumerate(order):
            before, after = frozenset(order[:place]), frozenset(order[: place + 1])
            found[player] += (value[after] - value[before]) / len(orders)
    return found


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_mean_over_all_orders(n):
    players = [f"m{number}" for number in range(n)]
    values = np.random.default_rng(n).normal(size=2**n)
    expected = by_orders(players, {frozenset(s): v for s, v in zip(coalitions(players), values, strict=True)})
    found = {player: weights @ values for player, weights in shapley_weights(players).items()}
    assert found == pytest.approx(expected, abs=1e-12)
    assert sum(found.values()) == pytest.approx(values[-1] - values[0], abs=1e-12)


def test_glove_game():
    """One left and two right gloves, a pair is worth 1: 2/3 to the left one, 1/6 to each right one (by hand)."""
    players = ("left", "right", "other")
    values = np.array([float("left" in s and len(s) > 1) for s in coalitions(players)])
    found = {player: weights @ values for player, weights in shapley_weights(players).items()}
    assert found == pytest.approx({"left": 2 / 3, "right": 1 / 6, "other": 1 / 6})


def test_coalitions_begin_with_none_and_end_with_all():
    assert coalitions(("a", "b")) == [(), ("a",), ("b",), ("a", "b")]
