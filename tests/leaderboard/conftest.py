import json
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from mmbench.record.schema import RunRecord
from mmbench.record.store import Store

EXAMPLE = Path(__file__).parents[1] / "record" / "example_record.json"


def metric(value, low=None, high=None, higher_is_better=True):
    return {
        "value": value,
        "low": low,
        "high": high,
        "level": 0.95,
        "n": 100,
        "method": "wilson",
        "higher_is_better": higher_is_better,
    }


@pytest.fixture
def make():
    """Make a record: `make("film", 0.9, 0.8, 1.0, day=1, dataset={...}, other_metric=metric(...))`."""

    def build(
        model="film", value=0.9, low=None, high=None, *, day=0, dataset=None, model_info=None, cost=None, **metrics
    ):
        data = json.loads(EXAMPLE.read_text(encoding="utf-8"))
        created = datetime.fromisoformat(data["created"]) + timedelta(days=day)
        data |= {"run_id": f"run-{day}-{sum(map(ord, model))}", "created": created, "failures": []}
        data["metrics"] = {"accuracy": metric(value, low, high), **metrics}
        data["dataset"] |= dataset or {}
        data["model"] |= {"name": model, **(model_info or {})}
        data["cost"] |= cost or {}
        return RunRecord.model_validate(data)

    return build


@pytest.fixture
def trained(make):
    """Make a record of trained weights: `trained(3, "film", 0.9, epochs=5, config={"width": 96}, day=1, ...)`."""

    def build(seed, model="film", value=0.9, low=None, high=None, *, config=None, day=None, options=None, **rest):
        training = {
            "task": "vqa",
            "dataset": {"name": "easy-vqa", "revision": "1.0", "split": "train"},
            "options": {
                "batch_size": 256,
                "epochs": 10,
                "device": "cpu",
                "log_to": [],
                "seed": seed,
                **(options or {}),
            },
            "samples": {"training": 90, "validation": 10},
            "epoch": 7 + seed,
            "validation": {"accuracy": value},
            "torch": "2.13.0",
        }
        info = {"config": {"fusion": "film", "width": 64, **(config or {}), "training": training}}
        info |= rest.pop("model_info", {})
        return make(model, value, low, high, day=seed if day is None else day, model_info=info, **rest)

    return build


@pytest.fixture
def metric_of():
    return metric


@pytest.fixture
def save(tmp_path, monkeypatch):
    """Save records below `results` of a fresh working directory."""
    monkeypatch.chdir(tmp_path)

    def save_all(*records):
        for record in records:
            Store(Path("results")).save(record, pa.table({"id": ["q1"]}))

    return save_all


@pytest.fixture
def film_values():
    return [0.80, 0.84, 0.79, 0.82, 0.85]


@pytest.fixture
def film(trained, metric_of, film_values):
    """Film by five seeds, each with an interval of its own, which must not count."""
    return [
        trained(
            seed,
            "film",
            value,
            value - 0.2,
            value + 0.1,
            wer=metric_of(1 - value, higher_is_better=False),
            cost={"throughput": {"samples_per_s": 100.0 + seed**2, "batch_s": [1.0]}},
        )
        for seed, value in enumerate(film_values)
    ]


@pytest.fixture
def stored(make, trained, tmp_path):
    """Store a run by its answers: `stored("film", [1, 1, 0], seed=2, reads=["image"], order=[2, 0, 1], ...)`.

    Questions are of type a and b in turn, the right answer is yes, and None is a sample that failed. Without a seed the
    model was not trained here. `record` changes the record, whatever else is given the way it is made.
    """

    def store(
        model,
        correct,
        *,
        seed=0,
        reads=("image", "text"),
        order=None,
        scores=None,
        labels=None,
        groups=None,
        record=None,
        model_info=None,
        **rest,
    ):
        rows = {
            "index": list(range(len(correct))),
            "id": [f"q{i}" for i in range(len(correct))],
            "group": groups or [None] * len(correct),
            "meta.question_type": ["ab"[i % 2] for i in range(len(correct))],
            "target": ["yes"] * len(correct),
            "prediction": [{1: "yes", 0: "no"}.get(right) for right in correct],
            "accuracy.correct": list(correct),
            "error": ["decode: broken" if right is None else None for right in correct],
            **({} if scores is None else {"scores": scores}),
        }
        table = pa.table(rows).take(pa.array(order or range(len(correct))))
        if scores is not None:
            table = table.replace_schema_metadata({"labels": json.dumps(labels or ["yes", "no"])})
        known = [right for right in correct if right is not None]
        info = {"modalities": None if reads is None else list(reads), **(model_info or {})}
        build = make if seed is None else partial(trained, seed)
        found = build(model, sum(known) / len(known), model_info=info, dataset={"n": len(correct)}, **rest)
        number = len(list(tmp_path.rglob("record.json")))
        changes = {"run_id": f"run-{number}", "breakdowns": {}, **(record or {})}
        return Store(tmp_path / "runs").save(found.model_copy(update=changes), table)

    return store
