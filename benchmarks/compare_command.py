"""How long `mmbench compare` takes over stored runs, and how much memory: 20 models by 100,000 rows.

Records and samples are real files that the store wrote, each run with its rows in another order; the command is a fresh
process. Must hold: under 10 s on two cores, and under 2 GB, for accuracy, whose rows are of few kinds. With
`--metric nll` no two rows are equal, so that each is drawn by itself; in clusters there are fewer units.
"""

import argparse
import resource
import subprocess
import sys
import sysconfig
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa

from mmbench.record.schema import DatasetInfo, Environment, MetricValue, ModelInfo, RunRecord
from mmbench.record.store import Store, new_run_id

COMMAND = str(Path(sysconfig.get_path("scripts")) / "mmbench")
ENVIRONMENT = Environment(
    versions={}, os="", cpu="", logical_cores=2, memory_bytes=None, accelerators=[], git=None, threads=1
)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--models", type=int, default=20)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--cluster", type=int, default=4, help="rows that belong together; 1 for none")
    options.add_argument("--metric", choices=("accuracy", "nll"), default="accuracy")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), chosen)
        seconds = [measure(Path(folder)) for _ in range(chosen.rounds)]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    processor = (used.ru_utime + used.ru_stime) / chosen.rounds
    what = f"{chosen.models} models by {chosen.rows:,} rows in clusters of {chosen.cluster}, {chosen.metric}"
    times = ", ".join(f"{each:.1f}" for each in sorted(seconds))
    print(f"{what}: {times} s ({processor:.1f} s of processor), peak {peak / 1e6:,.0f} MB")


def make(folder: Path, chosen: argparse.Namespace) -> None:
    """Store a run of each model: the first is right in 70 % of the rows, each other a little more often."""
    rng = np.random.default_rng(0)
    difficulty = rng.random(chosen.rows)
    place = np.arange(chosen.rows)
    columns = {
        "index": pa.array(place),
        "id": pa.array([f"test/{number:06d}" for number in place]),
        "group": pa.array([f"image {number // chosen.cluster:06d}" for number in place])
        if chosen.cluster > 1
        else pa.nulls(chosen.rows, pa.string()),
        "meta.question_type": pa.array([("colour", "shape", "count")[number % 3] for number in place]),
        "target": pa.array([("yes", "no", "red")[number % 3] for number in place]),
    }
    for model in range(chosen.models):
        probability = np.clip(0.85 - 0.5 * difficulty + 0.002 * model + rng.normal(0, 0.1, chosen.rows), 0.01, 0.99)
        correct = probability > 0.5
        rows = {
            **columns,
            "prediction": pa.array(np.where(correct, "yes", "no")),
            "error": pa.nulls(chosen.rows, pa.string()),
            "accuracy.correct": pa.array(correct.astype(np.int64)),
            "probability.target_probability": pa.array(probability),
        }
        value = float(correct.mean()) if chosen.metric == "accuracy" else float(-np.log(probability).mean())
        order = rng.permutation(chosen.rows) if model else place
        Store(folder).save(record(model, value, chosen), pa.table(rows).take(pa.array(order)))


def record(model: int, value: float, chosen: argparse.Namespace) -> RunRecord:
    """The record of one run."""
    created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=model)
    better = chosen.metric == "accuracy"
    return RunRecord(
        run_id=new_run_id(created),
        created=created,
        task="vqa",
        main_metric=chosen.metric,
        dataset=DatasetInfo(name="made", revision="1", split="test", n=chosen.rows, limit=None),
        model=ModelInfo(
            name=f"model-{model:02d}",
            config={},
            parameters=100_000 + model,
            modalities=["text"] if model == 1 else ["image", "text"],
            weights=None,
        ),
        metrics={
            chosen.metric: MetricValue(
                value=value, low=None, high=None, level=0.95, n=chosen.rows, method="none", higher_is_better=better
            )
        },
        breakdowns={},
        cost=None,
        failures=[],
        environment=ENVIRONMENT,
        settings={},
    )


def measure(folder: Path) -> float:
    """Seconds of one command."""
    start = perf_counter()
    subprocess.run([COMMAND, "compare", str(folder)], check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # fixed
    return perf_counter() - start


if __name__ == "__main__":
    main()
