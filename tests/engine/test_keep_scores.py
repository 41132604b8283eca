"""`mmbench eval --keep-scores`: log-probabilities of all labels beside the predictions."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import logsumexp

from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.engine.samples import LABELS, SCORES
from mmbench.errors import HarnessError, UsageError
from mmbench.model import Batch
from mmbench.record.store import Store
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA


def samples(evaluation):
    return Store(evaluation.folder).load_samples(evaluation.folder)


def test_scores_are_those_of_the_predictions(run):
    evaluation = run("film", keep_scores=True, metrics=("nll",), batch_size=8)
    table = samples(evaluation)
    labels = json.loads(table.schema.metadata[LABELS])
    assert table[SCORES].type == pa.list_(pa.float32())
    scores = np.array(table[SCORES].to_pylist())
    assert scores.shape == (32, len(labels)) == (32, 13)
    np.testing.assert_allclose(logsumexp(scores, axis=1), 0, atol=1e-5)
    assert [labels[place] for place in scores.argmax(axis=1)] == table["prediction"].to_pylist()
    right = [labels.index(target) for target in table["target"].to_pylist()]
    loss = -np.mean(scores[np.arange(32), right])
    assert evaluation.record.metrics["nll"].value == pytest.approx(loss, abs=1e-6)
    assert evaluation.record.settings["keep_scores"] is True


def test_without_being_asked_none_are_kept(run):
    evaluation = run("film")
    assert SCORES not in samples(evaluation).column_names
    assert evaluation.record.settings["keep_scores"] is False


def test_a_resumed_run_has_them_all_and_one_that_failed_has_none(run, tmp_path):
    options = {"keep_scores": True, "batch_size": 4, "limit": 16}
    output = tmp_path / "broken"
    with pytest.raises(HarnessError, match="test/5"):
        run("film", "probe-corrupt", output=output, **options)
    again = run("film", "probe-corrupt", output=output, resume=True, on_error="skip", **options)
    whole = run("film", "probe-corrupt", on_error="skip", **options)
    assert samples(again).equals(samples(whole), check_metadata=True)
    scores = samples(again)[SCORES].to_pylist()
    assert [place for place, each in enumerate(scores) if each is None] == [5, 9]
    assert {len(each) for each in scores if each is not None} == {13}


class Talker:
    """Generates, and is ready without weights."""

    modalities = ()

    def __init__(self, name):
        self.name = name

    def collate(self, samples):
        return Batch(len(samples), {}, {})

    def generate(self, batch):
        return ["yes"] * batch.size


class Talkers:
    """Their factory."""

    def open(self, name):
        return Talker(name)

    def create(self, name, modalities, samples):
        return Talker(name)

    def restore(self, name, config):
        return Talker(name)


def test_if_any_is_decided_by_the_model(run, register, tmp_path):
    assert SCORES in samples(run("film", keep_scores="if-any")).column_names
    register("model", "test-talking", Talkers())
    options = EvalOptions(limit=8, threads=1, workers=0, device="cpu", invariance=0, keep_scores="if-any")
    evaluation = evaluate("test-talking", "probe", dataset="probe-clean", options=options, output=tmp_path)
    assert SCORES not in samples(evaluation).column_names
    assert evaluation.record.settings["keep_scores"] is False


def test_a_model_that_does_not_classify_is_refused_before_anything_is_asked(run, register, tmp_path):
    class Embedding(VQA):
        card = replace(
            VQA.card, name="test-embedding", datasets=("test-embedded",), abilities=("embed",), modalities=("text",)
        )

    register("task", "test-embedding", Embedding)
    card = easy_vqa.model_copy(update={"name": "test-embedded", "tasks": ("test-embedding",)})
    register("dataset", "test-embedded", card)
    with pytest.raises(UsageError, match="--keep-scores needs a model that classifies"):
        run("probe-embedding", "test-embedded", task="test-embedding", keep_scores=True)
    assert not (tmp_path / "results").exists()
