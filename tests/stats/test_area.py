"""The relative area. Reference: scipy.integrate.trapezoid."""

import numpy as np
import pytest
from scipy.integrate import trapezoid

from mmbench.stats.area import relative_area


def test_trapezoids_of_scipy_for_each_resample():
    levels = (0.0, 0.1, 0.5, 1.0)
    values = np.random.default_rng(0).uniform(0.2, 1, size=(4, 7))
    expected = trapezoid(values, levels, axis=0) / values[0]
    assert relative_area(levels)(values) == pytest.approx(expected)


def test_noise_that_changes_nothing_leaves_all():
    assert relative_area((0, 0.25, 1))(np.full(3, 0.7)) == pytest.approx(1.0)


def test_without_a_value_at_zero_there_is_none():
    found = relative_area((0, 1))(np.array([[0.0, 1.0], [0.5, 0.5]]))
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(0.75)


@pytest.mark.parametrize("levels", [(0,), (0.1, 1), (0, 0.5), (0, 0.5, 0.5, 1), (0, 0.7, 0.5, 1)])
def test_levels_ascend_from_0_to_1(levels):
    with pytest.raises(ValueError, match="ascend from 0 to 1"):
        relative_area(levels)
