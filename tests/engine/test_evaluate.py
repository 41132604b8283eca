"""One evaluation from Python: the record, the rows, the cost, and memory that does not grow."""

import dataclasses
import json
import subprocess
import sys

import pytest

from mmbench.engine.evaluate import evaluate
from mmbench.errors import UsageError
from mmbench.record.schema import RunRecord
from mmbench.record.store import Store
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

from .conftest import FILM

KEYS = {
    "": "schema_version run_id created task dataset model metrics breakdowns cost failures environment settings",
    "dataset": "name revision split n",
    "model": "name config parameters weights",
    "model.weights": "source sha256",
    "metrics.accuracy": "value low high level n method higher_is_better",
    "cost": "throughput memory load_s wall_s failures",
    "cost.throughput": "samples_per_s",
    "cost.memory": "peak_bytes method",
}
"""What the project promises to programs."""


@pytest.mark.parametrize("place", KEYS)
def test_record_has_the_promised_keys(place, run):
    found = run("film").record.model_dump(mode="json")
    for key in filter(None, place.split(".")):
        found = found[key]
    assert set(KEYS[place].split()) <= set(found)


def test_record_and_rows_agree(run):
    evaluation = run("film", limit=64, batch_size=16)
    record, table = evaluation.record, Store(evaluation.folder).load_samples(evaluation.folder)
    assert Store(evaluation.folder).load(evaluation.folder) == record
    assert table["index"].to_pylist() == list(range(64))
    assert table["id"].to_pylist() == [f"test/{index}" for index in range(64)]
    correct = [a == b for a, b in zip(table["target"].to_pylist(), table["prediction"].to_pylist(), strict=True)]
    assert table["accuracy.correct"].to_pylist() == correct
    assert record.metrics["accuracy"].value == sum(correct) / 64
    assert {metric.n for metric in record.metrics.values()} == {record.dataset.n} == {64}
    assert sum(part["accuracy"].n for part in record.breakdowns["question_type"].values()) == 64
    assert len(record.cost.throughput.batch_s) == 4
    assert record.cost.throughput.samples_per_s == pytest.approx(64 / sum(record.cost.throughput.batch_s))
    assert 0 < record.cost.load_s < record.cost.wall_s
    assert record.settings["checks"]["batch_invariance"]["samples"] == 0


def test_accuracy_counts_what_the_model_said(run, probes):
    """By hand: a model that says yes to even questions and no to odd ones."""
    evaluation = run("probe-numbered", limit=50)
    rows = Store(evaluation.folder).load_samples(evaluation.folder).to_pylist()
    assert [row["prediction"] for row in rows] == ["yes", "no"] * 25
    right = sum(row["target"] == ("no" if row["index"] % 2 else "yes") for row in rows)
    assert evaluation.record.metrics["accuracy"].value == right / 50


def test_unlimited_run_takes_the_whole_split(run):
    record = run("probe-numbered", limit=None, batch_size=512).record
    assert (record.dataset.n, record.dataset.limit, record.metrics["accuracy"].n) == (9673, None, 9673)


def test_limit_beyond_the_split_is_the_split(run):
    assert run("probe-numbered", limit=10**6, batch_size=512).record.dataset.n == 9673


def test_samples_may_lack_group_and_meta(run):
    evaluation = run("probe-numbered", "probe-ungrouped", limit=20)
    rows = Store(evaluation.folder).load_samples(evaluation.folder).to_pylist()
    assert [row["meta.question_type"] is None for row in rows] == [True, False] * 10
    assert {row["group"] for row in rows} == {None}
    assert sum(part["accuracy"].n for part in evaluation.record.breakdowns["question_type"].values()) == 10
    assert evaluation.record.metrics["accuracy"].method == "wilson"


def test_same_seed_gives_the_same_numbers(run):
    first, second = (run("film", limit=48, seed=3).record for _ in range(2))
    assert first.metrics == second.metrics
    assert first.breakdowns == second.breakdowns
    assert first.run_id != second.run_id


def test_nothing_but_the_run_is_left(run, tmp_path):
    evaluation = run("film")
    files = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert sorted(files) == [evaluation.folder / "record.json", evaluation.folder / "samples.parquet"]
    RunRecord.model_validate_json((evaluation.folder / "record.json").read_text(encoding="utf-8"), strict=True)


MEMORY = """
import sys
from dataclasses import replace
from pathlib import Path

import torch
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA
from torch import nn

from mmbench import Batch, Sample, evaluate, register
from mmbench.checkpoint import Header, save_weights
from mmbench.engine.options import EvalOptions

n, folder = int(sys.argv[1]), Path(sys.argv[2])


class Endless:
    def __len__(self):
        return n

    def __getitem__(self, index, /):
        image = torch.full((3, 32, 32), float(index))  # 12 KiB
        target = ("yes", "no")[index % 2]
        return Sample(f"sample/{index}", {"image": image}, target, f"group/{index // 4}", {"question_type": "any"})


@register("task", "endless")
class Task(VQA):
    card = replace(VQA.card, name="endless", datasets=("endless",))

    def load(self, dataset, split):
        return Endless()


register("dataset", "endless")(easy_vqa.model_copy(update={"name": "endless", "tasks": ("endless",)}))


@register("model", "mean")
class Mean(nn.Module):
    name, modalities, labels = "mean", ("image",), ("yes", "no")

    @classmethod
    def restore(cls, name, config):
        return cls()

    def collate(self, samples):
        images = torch.stack([sample.inputs["image"] for sample in samples])
        return Batch(len(samples), {"image": images}, {"image": torch.ones(len(samples), dtype=torch.bool)})

    def classify(self, batch):
        return batch.inputs["image"].mean(dim=(1, 2, 3)).unsqueeze(1) * torch.tensor([[1.0, 0.0]])


weights = folder / f"mean-{n}.safetensors"
save_weights(weights, Mean(), Header("mean", {}, {}))
options = EvalOptions(threads=1, workers=0, device="cpu", batch_size=64)
record = evaluate("mean", "endless", weights=weights, options=options, output=folder).record
assert record.metrics["accuracy"].n == n
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the high-water mark of memory from /proc")
def test_memory_does_not_grow_with_inputs(tmp_path):
    """A sample's input is 12 KiB here. Its row may stay, and the resampling of intervals has its bounded share."""

    def peak(n):
        command = [sys.executable, "-c", MEMORY, str(n), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    few, many = 2_000, 40_000
    assert peak(many) - peak(few) < 64 * 2**20 + 2_000 * (many - few)


def test_split_without_samples_is_refused(register, tmp_path):
    class Empty(VQA):
        """Not one sample."""

        card = dataclasses.replace(VQA.card, name="test-empty", datasets=("test-empty",))

        def load(self, dataset, split):
            return []

    register("task", "test-empty", Empty)
    register("dataset", "test-empty", easy_vqa.model_copy(update={"name": "test-empty", "tasks": ("test-empty",)}))
    with pytest.raises(UsageError, match="test-empty test has no samples"):
        evaluate("film", "test-empty", weights=FILM, output=tmp_path)
    assert not list(tmp_path.rglob("record.json"))
