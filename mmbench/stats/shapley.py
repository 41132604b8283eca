"""Shapley values: what each of several parts contributes to the value of all together."""

from collections.abc import Sequence
from itertools import combinations
from math import factorial

import numpy as np

from mmbench.stats.bootstrap import FloatArray


def coalitions(players: Sequence[str]) -> list[tuple[str, ...]]:
    """All 2^n sets of players, small ones first: the empty one is the first, that of all the last."""
    return [chosen for size in range(len(players) + 1) for chosen in combinations(players, size)]


def shapley_weights(players: Sequence[str]) -> dict[str, FloatArray]:
    """How much the value of each coalition counts for each player.

    With V the values of `coalitions(players)`, the product of a player's weights and V is

        phi_i = sum_S |S|! (n - |S| - 1)! / n! [V(S + i) - V(S)]

    over all S without i (Shapley 1953). All phi together are V(all) - V(empty).

    Args:
        players: n names.

    Returns:
        Weights by player, [2^n].
    """
    sets = coalitions(players)
    n = len(players)
    found = {}
    for player in players:
        weights = np.zeros(len(sets))
        for place, chosen in enumerate(sets):
            inside = player in chosen
            others = len(chosen) - inside
            share = factorial(others) * factorial(n - others - 1) / factorial(n)
            weights[place] = share if inside else -share
        found[player] = weights
    return found
