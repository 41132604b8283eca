"""What comparing 20 models over 100,000 rows takes: paired differences of 19 to one, and contrasts of all 20.

Models agree with each other as real ones do: samples differ in difficulty, and samples of one cluster resemble each
other. Each setting (single samples or clusters of about five, one seed or three) has a fresh process. Must hold: under
10 s and 2 GB on two cores, whatever else a comparison does included.

`--metric nll` compares real numbers, so that no rows are equal, which is the slow case.
"""

from argparse import ArgumentParser, Namespace
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter, process_time

import numpy as np
import torch

from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.nll import NLL
from mmbench.profile.memory import PeakMemory
from mmbench.stats.contrast import contrasts
from mmbench.stats.paired import paired_differences

Run = dict[str, np.ndarray]


def main() -> None:
    """Measure and print."""
    options = ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--models", type=int, default=20)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--metric", choices=["accuracy", "nll"], default="accuracy")
    options.add_argument("--resamples", type=int, default=9_999)
    chosen = options.parse_args()
    for clustered in (False, True):
        for seeds in (1, 3):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                tell(clustered, seeds, process.submit(measure, chosen, clustered, seeds).result())


def tell(clustered: bool, seeds: int, found: tuple[tuple[float, float], tuple[float, float], int, int]) -> None:
    """Print one setting."""
    (pairs, pairs_cpu), (functions, functions_cpu), before, peak = found
    print(
        f"{'clusters' if clustered else 'samples':>8}, seeds {seeds}: paired differences {pairs:.1f} s "
        f"({pairs_cpu:.1f} s of CPU), contrasts {functions:.1f} s ({functions_cpu:.1f} s), "
        f"peak {peak / 1e6:.0f} MB, {(peak - before) / 1e6:.0f} MB above the start",
        flush=True,
    )


def measure(
    options: Namespace, clustered: bool, seeds: int
) -> tuple[tuple[float, float], tuple[float, float], int, int]:
    """Seconds and seconds of CPU of both, and bytes before and at the peak."""
    metric = Accuracy() if options.metric == "accuracy" else NLL()
    models, groups = make(options, seeds)
    clusters = groups if clustered else None
    memory = PeakMemory(torch.device("cpu"))
    before = memory.read()
    names = list(models)
    ours = {name: models[name] for name in names[1:]}
    start, cpu = perf_counter(), process_time()
    paired_differences(metric, ours, models[names[0]], clusters, resamples=options.resamples)
    pairs = perf_counter() - start, process_time() - cpu
    start, cpu = perf_counter(), process_time()
    firsts = [models[name][0] for name in names]
    spread = {"best minus worst": lambda values: values.max(axis=0) - values.min(axis=0)}
    contrasts(metric, firsts, spread, clusters, resamples=options.resamples)
    return pairs, (perf_counter() - start, process_time() - cpu), before, memory.read()


def make(options: Namespace, seeds: int) -> tuple[dict[str, list[Run]], np.ndarray]:
    """Rows of each model by seed, and the cluster of each sample."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(3, 8, size=options.rows // 3)
    clusters = np.repeat(np.arange(len(sizes)), sizes)[: options.rows]
    ease = 1.5 + rng.normal(size=len(sizes))[clusters] + 1.5 * rng.normal(size=options.rows)
    models = {}
    for place in range(options.models):
        own = ease + 0.05 * place + 0.7 * rng.normal(size=options.rows)
        models[f"model {place}"] = [answers(own + 0.4 * rng.normal(size=options.rows)) for _ in range(seeds)]
    return models, np.array([f"image {number}" for number in clusters], dtype=object)


def answers(logits: np.ndarray) -> Run:
    """Rows of one run."""
    return {"correct": (logits > 0).astype(np.int64), "target_probability": 1 / (1 + np.exp(-logits))}


if __name__ == "__main__":
    main()
