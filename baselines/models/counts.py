"""Counting training samples, for the floors."""

from collections import Counter

from mmbench.sample import Dataset


def count_labels(samples: Dataset) -> Counter[str]:
    """How often each target occurs."""
    return Counter(samples[index].label for index in range(len(samples)))
