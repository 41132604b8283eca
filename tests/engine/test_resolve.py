"""Names to parts: which metrics a run computes, and which it refuses."""

import pytest

from mmbench.engine.resolve import metrics_for, resolve_dataset, resolve_metrics, resolve_task
from mmbench.errors import UsageError


class Writer:
    """A model that generates and cannot classify."""

    name = "writer"
    modalities = ("image",)

    def collate(self, samples):
        raise AssertionError

    def generate(self, batch):
        raise AssertionError


@pytest.fixture
def classification():
    task = resolve_task("image_classification")
    return task, resolve_dataset(task, "digits")


def test_data_set_may_name_its_own_metrics():
    task = resolve_task("vqa")
    assert next(iter(resolve_metrics(task, None, (), {}))) == "vqa_accuracy"
    assert next(iter(resolve_metrics(task, resolve_dataset(task, "easy-vqa"), (), {}))) == "accuracy"
    assert "wer" in resolve_metrics(task, None, ("wer",), {})


def test_options_go_to_the_metrics_that_have_them():
    task = resolve_task("vqa")
    found = resolve_metrics(task, None, ("wer",), {"normalization": "squad", "normalizer": "none"})
    assert found["exact_match"].chosen == {"normalization": "squad"}
    assert found["wer"].chosen == {"normalizer": "none"}
    with pytest.raises(UsageError, match="unknown protocol option 'normalizer'"):
        resolve_metrics(task, None, (), {"normalizer": "none"})


def test_metrics_that_need_scores_go_where_a_model_only_generates(classification):
    metrics = resolve_metrics(*classification, (), {})
    assert "nll" in metrics
    left = metrics_for(Writer(), metrics, ())
    assert {"accuracy", "macro_f1"} <= set(left)
    assert not {"nll", "ece", "brier", "top5_accuracy"} & set(left)


def test_one_that_was_asked_for_is_not_left_out_without_a_word(classification):
    metrics = resolve_metrics(*classification, ("nll",), {})
    with pytest.raises(UsageError, match="metric 'nll' needs a model that can classify; 'writer' cannot"):
        metrics_for(Writer(), metrics, ("nll",))


def test_data_set_of_the_user(classification, tmp_path, monkeypatch):
    task, _ = classification
    monkeypatch.setenv("MMBENCH_DATA", str(tmp_path))
    assert resolve_dataset(task, "mnist").local is None
    (tmp_path / "mnist").mkdir()
    assert resolve_dataset(task, "mnist").local == tmp_path / "mnist"
    assert resolve_dataset(task, "mnist", tmp_path).local == tmp_path
    with pytest.raises(UsageError, match="is not read from the hub"):
        resolve_dataset(task, "mnist", tmp_path, stream=True)
