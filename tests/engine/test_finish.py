"""Samples that only turn out to be unscorable when all are there: the policy holds for them too."""

import numpy as np
import pytest

from mmbench.errors import HarnessError
from mmbench.registry import load_plugin_file, registry

PLUGIN = '''
from dataclasses import replace

import numpy as np
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

from mmbench import register
from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.metric import ERROR


@register("metric", "test_ranks")
class Ranks(MeanMetric):
    """How many say something that comes before in the alphabet; what is said once cannot be ranked."""

    name = "test_ranks"
    columns = ("said",)

    def row(self, prediction, sample):
        return (prediction.value,)

    def finish(self, rows):
        said = list(rows["said"])
        reasons = [None if said.count(each) > 1 else "nobody else said so" for each in said]
        return {"rank": np.array([sum(o < each for o in said) for each in said]), ERROR: np.array(reasons, object)}

    def per_sample(self, rows):
        return np.asarray(rows["rank"], dtype=float)

    def details(self, rows):
        return {"largest": int(max(rows["rank"]))}


@register("task", "test-ranked")
class Ranked(VQA):
    card = replace(VQA.card, name="test-ranked", metrics=("test_ranks", "accuracy"), datasets=("test-ranked",))

    def load(self, dataset, split):
        return super().load(easy_vqa, split)


register("dataset", "test-ranked")(
    easy_vqa.model_copy(update={"name": "test-ranked", "tasks": ("test-ranked",), "metrics": ()})
)
'''


@pytest.fixture(autouse=True)
def _plugin(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "files", [])
    file = tmp_path / "ranks.py"
    file.write_text(PLUGIN)
    load_plugin_file(file)
    yield
    for kind, name in (("metric", "test_ranks"), ("task", "test-ranked"), ("dataset", "test-ranked")):
        registry.unregister(kind, name)


@pytest.fixture
def ranked(run):
    def ranked(**options):
        return run("question-prior", "test-ranked", task="test-ranked", **{"limit": 33, **options})

    return ranked


def test_finished_rows_replace_those_of_the_pass(ranked):
    record = ranked(on_error="skip").record
    assert record.failures
    assert {(failure.stage, failure.reason) for failure in record.failures} == {("score", "nobody else said so")}
    scored = record.dataset.n - len(record.failures)
    assert record.metrics["test_ranks"].n == record.metrics["accuracy"].n == scored
    assert record.details["test_ranks"]["largest"] > 0
    assert np.isfinite(record.metrics["test_ranks"].low)


def test_policy_holds_when_all_are_there(ranked):
    with pytest.raises(HarnessError, match="failed at stage score: nobody else said so; --on-error skip"):
        ranked()
    assert ranked(on_error="skip", resume=True).record.failures
    with pytest.raises(HarnessError, match="samples failed, more than --max-errors 0"):
        ranked(on_error="skip", max_errors=0)
