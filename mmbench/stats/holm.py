"""Correction of p-values for the number of comparisons."""

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values so that one false alarm among all of them is no more probable than the level they are read at.

    The k-th smallest of m is multiplied by m - k + 1; none is less than one before it, nor more than 1 (Holm, A simple
    sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979). It holds whatever the
    comparisons have in common, such as their baseline.

    Args:
        p_values: one a comparison; `None` where there is none, which stays `None` and does not count.

    Raises:
        ValueError: a p-value is not between 0 and 1.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    least = 0.0
    for before, (p, place) in enumerate(known):
        if not 0 <= p <= 1:
            raise ValueError(f"{p} is no p-value; expected a number from 0 to 1")
        least = max(least, min(1.0, (len(known) - before) * p))
        adjusted[place] = least
    return adjusted
