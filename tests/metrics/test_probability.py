"""Metrics of predicted probabilities; values by hand here, references in tests/reference."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from mmbench.cli import main
from mmbench.metrics.brier import Brier
from mmbench.metrics.ece import ECE
from mmbench.metrics.metric import as_columns, families, score_all
from mmbench.metrics.nll import NLL
from mmbench.metrics.probability import ProbabilityMetric
from mmbench.metrics.top5_accuracy import Top5Accuracy
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample

METRICS = (Top5Accuracy(), ECE(), NLL(), Brier())
EACH = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
LABELS = tuple("abcdefgh")


def row(scores, target, value=None, labels=None):
    """The row of one sample, by column."""
    labels = labels or LABELS[: len(scores)]
    scores = np.array(scores, dtype=np.float32)
    value = value or labels[int(np.argmax(scores))]
    found = NLL().row(Prediction(value, scores, labels), Sample("s", {}, target))
    return dict(zip(ProbabilityMetric.columns, found, strict=True))


def value(metric, *rows):
    return score_all(metric, [tuple(each.values()) for each in rows])


def log(*probabilities):
    return np.log(np.array(probabilities)).tolist()


def test_row_by_hand():
    found = row(log(0.5, 0.3, 0.2), "b")
    assert found["target_probability"] == pytest.approx(0.3)
    assert found["confidence"] == pytest.approx(0.5)
    assert found["brier"] == pytest.approx(0.5**2 + 0.7**2 + 0.2**2)
    assert (found["target_rank"], found["classes"], found["correct"]) == (2, 3, 0)


def test_scores_count_up_to_a_constant():
    for shift in (-1e4, 1e4):
        shifted = row(np.array(log(0.5, 0.25, 0.25)) + shift, "a")
        assert shifted["target_probability"] == pytest.approx(0.5, abs=1e-3)  # what float32 leaves of it
        assert shifted["correct"] == 1


def test_row_can_be_stored_as_json():
    found = row([0.0, -math.inf], "b")
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_target_outside_the_labels_has_no_probability_and_the_last_rank():
    found = row(log(0.5, 0.3, 0.2), "z")
    assert (found["target_probability"], found["target_rank"], found["correct"]) == (0.0, 4, 0)
    assert found["brier"] == pytest.approx(0.25 + 0.09 + 0.04 + 1)
    assert value(Top5Accuracy(), found) == 0  # though its rank is less than five


def test_ties_are_broken_against_the_target():
    """But the predicted label is the first, so that top-k accuracy is no less than accuracy."""
    assert [row([1.0, 2.0, 2.0, 2.0], target)["target_rank"] for target in "abcd"] == [4, 1, 3, 3]
    assert [row([0.0] * 8, target)["target_rank"] for target in "ab"] == [1, 8]
    assert row([0.0, -math.inf, -math.inf], "b")["target_rank"] == 3
    # Far apart as scores, both 0 as probabilities: no tie.
    assert row([0.0, -2000.0, -3000.0], "b")["target_rank"] == 2


def test_top5_counts_the_first_five():
    scores = [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    assert [value(Top5Accuracy(), row(scores, target)) for target in LABELS] == [1, 1, 1, 1, 1, 0, 0, 0]
    assert value(Top5Accuracy(), *(row(scores, target) for target in LABELS)) == 5 / 8
    assert [value(Top5Accuracy(), row([0.0] * 6, target)) for target in "ab"] == [1, 0]
    assert value(Top5Accuracy(), row([0.0] * 5, "b")) == 1


def test_nll_is_clipped_as_scikit_learn_clips():
    assert value(NLL(), row(log(0.25, 0.75), "a")) == pytest.approx(-math.log(0.25))
    most = -math.log(np.finfo(np.float64).eps)
    assert most == pytest.approx(36.04, abs=0.005)
    assert value(NLL(), row([0.0, -math.inf], "b")) == most
    assert value(NLL(), row([0.0, -5.0], "unknown")) == most
    assert 0 < value(NLL(), row([0.0, -math.inf], "a")) < 1e-15


@pytest.mark.parametrize(("probability", "brier"), [(1.0, 0.0), (0.75, 0.125), (0.5, 0.5), (0.0, 2.0)])
def test_brier_sums_over_classes(probability, brier):
    with np.errstate(divide="ignore"):
        assert value(Brier(), row(log(probability, 1 - probability), "a")) == pytest.approx(brier)


def rows(confidence, correct):
    return {"confidence": np.array(confidence), "correct": np.array(correct)}


def test_ece_by_hand():
    # Bin (9/15, 10/15]: accuracy 1/2, confidence 0.64. Bin (13/15, 14/15]: accuracy 1, confidence 0.9.
    assert ECE().aggregate(rows([0.62, 0.66, 0.9], [1, 0, 1])) == pytest.approx((2 * 0.14 + 0.1) / 3)


@pytest.mark.parametrize("edge", range(1, 16))
def test_ece_bins_are_open_below_and_closed_above(edge):
    at, below, above = edge / 15, edge / 15 - 0.01, min(edge / 15 + 0.01, 1.0)
    bins = [int(np.flatnonzero(ECE().statistics(rows([c], [1])).toarray()[0])[0]) for c in (below, at, above)]
    assert bins == [edge - 1, edge - 1, min(edge, 14)]


@pytest.mark.parametrize("edge", range(1, 15))
def test_ece_bins_are_closed_above_for_what_comes_as_logarithms(edge):
    """A float32 logarithm gives 9/15 back as 0.6000000x."""
    found = row(log(edge / 15, 1 - edge / 15), "a", value="a")
    statistics = ECE().statistics({name: np.array([number]) for name, number in found.items()})
    assert int(statistics.indices[0]) == edge - 1


def test_ece_by_hand_through_the_command_line(tmp_path, monkeypatch, capsys):
    """Ten at .6, 3 right, in the bin that ends there; ten at .65, all right, in the next: (.3 + .35) / 2."""
    monkeypatch.chdir(tmp_path)
    lines = [
        {"id": n, "prediction": "a", "target": "ab"[3 <= n < 10], "probabilities": {"a": p, "b": 1 - p}}
        for n, p in enumerate([0.6] * 10 + [0.65] * 10)
    ]
    Path("p.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    asked = ["--task", "image_classification", "--predictions", "p.jsonl", "--metric", "ece", "--json"]
    assert main(["score", *asked]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["ece"]["value"] == pytest.approx(0.325)


def test_ece_bin_of_equal_probabilities():
    """Three equal scores have a confidence of exactly 5/15, which belongs to the bin that ends there."""
    found = row([0.0, 0.0, 0.0], "a")
    statistics = ECE().statistics({name: np.array([number]) for name, number in found.items()})
    assert statistics.indices.tolist() == [4, 19, 34]


def random_rows(n=400, classes=9):
    rng = np.random.default_rng(5)
    scores = rng.normal(scale=2, size=(n, classes)).astype(np.float32)
    labels = tuple(map(str, range(classes)))
    made = [
        NLL().row(Prediction(labels[int(s.argmax())], s, labels), Sample("s", {}, str(target)))
        for s, target in zip(scores, rng.integers(classes + 1, size=n), strict=True)
    ]
    return as_columns(NLL(), made)


@EACH
def test_row_order_changes_nothing(metric):
    whole = random_rows()
    order = np.random.default_rng(2).permutation(400)
    shuffled = {name: column[order] for name, column in whole.items()}
    assert metric.aggregate(shuffled) == pytest.approx(metric.aggregate(whole), rel=1e-14)


@EACH
def test_parts_of_the_statistics_sum_to_the_whole(metric):
    whole = random_rows()
    statistics = metric.statistics(whole)
    merged = sum(statistics[part].sum(axis=0) for part in np.split(np.arange(400), [11, 190]))
    assert metric.value(merged) == pytest.approx(metric.aggregate(whole), rel=1e-14)


@EACH
def test_value_keeps_leading_axes_and_no_rows_give_nan(metric):
    sums = np.asarray(metric.statistics(random_rows()).sum(axis=0))
    values = metric.value(np.stack([[sums, 2 * sums], [0 * sums, sums]]))
    whole = metric.aggregate(random_rows())
    np.testing.assert_allclose(values, [[whole, whole], [np.nan, whole]], rtol=1e-14)
    assert np.isnan(score_all(metric, []))


def test_ece_statistics_are_sparse():
    statistics = ECE().statistics(random_rows())
    assert isinstance(statistics, sparse.csr_array)
    assert statistics.shape == (400, 45)
    assert statistics.nnz <= 1200


def test_one_row_serves_all():
    assert list(families({metric.name: metric for metric in METRICS})) == ["probability"]
    assert all(metric.needs_scores for metric in METRICS)
    assert [metric.name for metric in METRICS if metric.higher_is_better] == ["top5_accuracy"]


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (Prediction("a"), "the model gave no scores"),
        (Prediction("a", np.zeros(2, np.float32), ("a", "b", "c")), "2 scores for 3 labels"),
        (Prediction("a", np.array([0, np.nan], np.float32), ("a", "b")), "no log-probabilities"),
        (Prediction("a", np.array([0, np.inf], np.float32), ("a", "b")), "no log-probabilities"),
        (Prediction("a", np.full(2, -np.inf, np.float32), ("a", "b")), "no log-probabilities"),
        (Prediction("a", np.zeros(0, np.float32), ()), "no log-probabilities"),
        (Prediction("c", np.zeros(2, np.float32), ("a", "b")), "predicted label 'c' is none"),
    ],
)
def test_what_gives_no_probabilities_is_refused(prediction, message):
    with pytest.raises(ValueError, match=message):
        NLL().row(prediction, Sample("s", {}, "a"))


@EACH
def test_is_registered(metric):
    assert registry.load("metric", metric.name) is type(metric)
