"""The floors: what easy-VQA gives away, by the real engine from the shipped weights."""

from pathlib import Path

import pytest
import torch

from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.model import Classifies, Fits, Model, Stored
from mmbench.registry import registry
from mmbench.sample import Sample
from mmbench_baselines.models.majority import Majority
from mmbench_baselines.models.question_prior import QuestionPrior

SAMPLES = [
    Sample(str(number), {"text": text}, target)
    for number, (text, target) in enumerate(
        [("Is it red?", "no"), ("is it  RED?", "no"), ("is it red?", "yes"), ("what color?", "red"), ("any?", "yes")]
        * 2
        + [("any?", "no")]
    )
]
"""Answers: no 5, yes 4, red 2."""


def fitted(model_class, name="floor"):
    model = model_class.create(name, ("image", "text"), SAMPLES)
    model.fit(SAMPLES)
    return model


def answers(model, *samples):
    logits = model.classify(model.collate(samples))
    return [model.labels[index] for index in logits.argmax(dim=1).tolist()]


@pytest.fixture
def official(tmp_path, monkeypatch):
    """Evaluate a floor on the official test split."""
    monkeypatch.chdir(tmp_path)  # no weights of a local training

    def run(name):
        options = EvalOptions(batch_size=1024, workers=0, device="cpu", threads=1, invariance=0)
        return evaluate(name, "vqa", options=options, output=Path("results")).record

    return run


def test_majority_on_the_official_test(official):
    """Reference: the share of the most frequent training answer among the 9,673 test answers, counted apart."""
    record = official("majority")
    assert record.dataset.n == 9673
    assert round(record.metrics["accuracy"].value, 3) == 0.373
    assert record.model.weights.source == "mmbench_baselines.weights:vqa/easy-vqa/majority.safetensors"
    assert record.metrics["mean_class_recall"].value == pytest.approx(1 / 13)


def test_question_prior_on_the_official_test(official):
    """Reference: the most frequent training answer of each question text, counted apart."""
    record = official("question-prior")
    assert record.dataset.n == 9673
    assert round(record.metrics["accuracy"].value, 3) == 0.670
    by_type = record.breakdowns["question_type"]
    assert round(by_type["yes/no"]["accuracy"].value, 3) == 0.825
    assert sum(metrics["accuracy"].n for metrics in by_type.values()) == 9673


@pytest.mark.parametrize("model_class", [Majority, QuestionPrior])
def test_floor_keeps_the_contract(model_class):
    model = fitted(model_class)
    for protocol in (Model, Classifies, Fits, Stored):
        assert isinstance(model, protocol)
    logits = model.classify(model.collate(SAMPLES))
    assert logits.shape == (len(SAMPLES), 3)
    torch.testing.assert_close(logits.exp().sum(dim=1), torch.ones(len(SAMPLES)))
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("model_class", [Majority, QuestionPrior])
def test_floor_restores_from_what_is_stored(model_class):
    model = fitted(model_class)
    fresh = model_class.restore("floor", model.stored_config())
    fresh.load_state_dict(model.state_dict())
    one, other = (m.classify(m.collate(SAMPLES)) for m in (model, fresh))
    assert torch.equal(one, other)


def test_majority_answers_everything_alike():
    model = fitted(Majority)
    assert set(answers(model, *SAMPLES, Sample("none", {}))) == {"no"}
    frequency = model.classify(model.collate(SAMPLES[:1])).exp()[0]
    torch.testing.assert_close(frequency, torch.tensor([5 / 11, 2 / 11, 4 / 11]))
    assert model.labels == ("no", "red", "yes")


def test_question_prior_answers_each_question_with_its_usual_answer():
    model = fitted(QuestionPrior)
    questions = ["is it red?", "IS IT RED? ", "what color?", "any?"]
    assert answers(model, *(Sample(q, {"text": q}) for q in questions)) == ["no", "no", "red", "yes"]


def test_question_never_seen_gets_the_majority():
    model = fitted(QuestionPrior)
    assert answers(model, Sample("new", {"text": "how many?"}), Sample("missing", {})) == ["no", "no"]


def test_tie_within_a_question_goes_to_the_more_frequent_answer():
    samples = [Sample(str(i), {"text": q}, a) for i, (q, a) in enumerate([("x", "a"), ("x", "b"), ("y", "b")])]
    model = QuestionPrior.create("floor", ("text",), samples)
    model.fit(samples)
    assert answers(model, samples[0]) == ["b"]


@pytest.mark.parametrize("name", ["image-only", "text-only"])
def test_unimodal_floor_reads_its_own_modality(name):
    samples = [Sample("0", {"text": "is it red?"}, "yes"), Sample("1", {"text": "is it?"}, "no")]
    model = registry.load("model", name).create(name, ("image", "text"), samples)
    assert model.modalities == (name.removesuffix("-only"),)
    assert tuple(model.encoders) == model.modalities
    assert tuple(model.collate(samples).inputs) == model.modalities
