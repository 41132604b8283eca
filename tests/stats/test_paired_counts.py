"""How many resamples and swaps stand behind a paired difference, and that it tells of them."""

import numpy as np
import pytest
from scipy import stats

from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.nll import NLL
from mmbench.stats.paired import paired_difference, paired_differences


def rows(values):
    return {"correct": np.asarray(values)}


def test_of_very_many_units_there_are_fewer_resamples_and_it_is_told():
    """Against the interval of the normal distribution, which so many units have; a test is made if it is asked for."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.uniform(0.1, 0.9, size=(2, 130_000))
    probabilities = [{"target_probability": each} for each in (ours, theirs)]
    (found,) = paired_differences(NLL(), {"": probabilities[:1]}, probabilities[1:], None, test=False).values()
    differences = np.log(theirs) - np.log(ours)
    reach = 1.96 * stats.sem(differences)
    assert found.resamples == 1_999
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (differences.mean() - reach, differences.mean() + reach), abs=0.15 * reach
    )
    assert (found.p_value, found.test, found.swaps) == (None, "none", 0)


def test_it_is_told_how_many_swaps_were_counted():
    exact = paired_difference(Accuracy(), rows([1, 1, 1, 0, 1]), rows([0, 0, 0, 0, 1]), None)
    assert (exact.swaps, exact.resamples) == (8, 9999)
    ours, theirs = np.random.default_rng(1).integers(2, size=(2, 100))
    drawn = paired_difference(Accuracy(), rows(ours), rows(theirs), None, resamples=299)
    assert (drawn.test, drawn.swaps, drawn.resamples) == ("randomization", 299, 299)
