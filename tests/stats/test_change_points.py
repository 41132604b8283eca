"""Changes of level, planted and absent."""

import numpy as np
import pytest

from mmbench.stats.change_points import change_points


def series(rng, *levels, noise=0.01):
    """So many values of each level: `series(rng, (20, 1.0), (10, 1.1))`."""
    return np.concatenate([level + noise * rng.standard_normal(count) for count, level in levels])


def test_planted_changes_are_found_where_they_are():
    found = change_points(series(np.random.default_rng(0), (20, 1.0), (15, 1.1), (12, 1.05)))
    assert [point.index for point in found] == [20, 35]
    assert [(point.before, point.after) for point in found] == [
        (pytest.approx(1.0, abs=0.01), pytest.approx(1.1, abs=0.01)),
        (pytest.approx(1.1, abs=0.01), pytest.approx(1.05, abs=0.01)),
    ]
    assert all(point.p_value < 0.01 for point in found)


def test_a_level_series_has_a_change_no_more_often_than_alpha():
    rng = np.random.default_rng(1)
    false = sum(bool(change_points(series(rng, (30, 1.0)), alpha=0.05)) for _ in range(200))
    assert false <= 18  # 5 % of 200, and what the binomial allows once in twenty


def test_one_outlier_is_no_change():
    values = series(np.random.default_rng(2), (30, 1.0))
    values[14] = 5.0
    assert change_points(values) == []


def test_constant_levels_are_told_apart():
    (found,) = change_points([1.0] * 8 + [2.0] * 8)
    assert (found.index, found.before, found.after) == (8, 1.0, 2.0)
    assert change_points([1.0] * 16) == []


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0, 9.0, 9.0, 9.0]])
def test_too_few_values_have_none(values):
    assert change_points(values) == []


def test_the_scale_does_not_matter():
    values = series(np.random.default_rng(3), (20, 1.0), (20, 1.05))
    assert [point.index for point in change_points(1e6 * values)] == [point.index for point in change_points(values)]
