"""Distributions that intervals are made from: their quantiles and probabilities.

From `scipy.special`, since `scipy.stats`, which has them by name, takes a second to import.
"""

import numpy as np
from scipy.special import bdtr, ndtri, stdtr, stdtrit


def student_t(level: float, freedom: int) -> float:
    """What Student's t with so many degrees of freedom does not exceed, on either side, with probability `level`."""
    return float(stdtrit(freedom, (1 + level) / 2))


def student_below(value: float, freedom: int) -> float:
    """The probability that Student's t with so many degrees of freedom is below a value."""
    return float(stdtr(freedom, value))


def normal(level: float) -> float:
    """What a standard normal variable does not exceed, on either side, with probability `level`."""
    return float(ndtri((1 + level) / 2))


def binomial(probability: float, n: int, p: float) -> int:
    """The least number of successes in n trials, each with probability p, that so much of the distribution reaches."""
    return int(np.searchsorted(bdtr(np.arange(n + 1, dtype=np.float64), n, p), probability))
