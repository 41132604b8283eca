"""What an interval costs: the percentile bootstrap of a mean, 10,000 rows and 9,999 resamples, against scipy's.

Rows differ from each other, which is the slow case. Both run in one process, alternating in the order ABBA. Must hold:
under 2 s on two cores.
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
from scipy import stats

from mmbench.metrics.metric import Metric, share
from mmbench.stats.intervals import interval


class Mean(Metric):
    """The mean of numbers."""

    name = "mean"
    columns = ("x",)

    def row(self, prediction, sample):
        """The number."""
        return (float(prediction.value),)

    def statistics(self, rows):
        """Numbers and how many, [n, 2]."""
        return np.stack([rows["x"], np.ones(len(rows["x"]))], axis=1)

    def value(self, sums):
        """Their quotient."""
        return share(sums)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=10_000)
    options.add_argument("--resamples", type=int, default=9_999)
    options.add_argument("--rounds", type=int, default=3, help="rounds of four runs")
    chosen = options.parse_args()
    x = np.random.default_rng(0).normal(size=chosen.rows)
    groups = np.array([f"image {index // 4}" for index in range(chosen.rows)], dtype=object)

    def ours() -> None:
        interval(Mean(), {"x": x}, None, resamples=chosen.resamples)

    def clustered() -> None:
        interval(Mean(), {"x": x}, groups, resamples=chosen.resamples)

    def scipys() -> None:
        stats.bootstrap((x,), np.mean, n_resamples=chosen.resamples, batch=100, method="percentile", rng=0)

    ours(), scipys()  # warm-up
    ratios, seconds = [], []
    for number in range(1, chosen.rounds + 1):
        a1, b1, b2, a2 = (measure(run) for run in (scipys, ours, ours, scipys))
        ratios.append((b1 + b2) / (a1 + a2))
        seconds += [b1, b2]
        print(f"round {number}: scipy {a1:.2f} {a2:.2f} s, mmbench {b1:.2f} {b2:.2f} s, ratio {ratios[-1]:.2f}")
    print(f"{chosen.rows:,} rows, {chosen.resamples:,} resamples: {median(seconds):.2f} s, ratio {median(ratios):.2f}")
    print(f"the same in clusters of four: {median(measure(clustered) for _ in range(3)):.2f} s")


def measure(run: Callable[[], None]) -> float:
    """Seconds of one run."""
    start = perf_counter()
    run()
    return perf_counter() - start


if __name__ == "__main__":
    main()
