"""References: scikit-learn's top_k_accuracy_score, log_loss and brier_score_loss; torchmetrics' calibration error,
F1 and recall. Random input by hypothesis.
"""

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, log_loss, top_k_accuracy_score
from torchmetrics.functional.classification import (
    multiclass_calibration_error,
    multiclass_f1_score,
    multiclass_recall,
)

from mmbench.metrics.brier import Brier
from mmbench.metrics.ece import ECE
from mmbench.metrics.macro_f1 import MacroF1
from mmbench.metrics.mean_class_recall import MeanClassRecall
from mmbench.metrics.metric import score_all
from mmbench.metrics.nll import NLL
from mmbench.metrics.top5_accuracy import Top5Accuracy
from mmbench.sample import Prediction, Sample

QUICK = settings(max_examples=60, deadline=None)


@st.composite
def scored(draw, least_classes=2, widest=1000.0):
    """Scores float32 [n, C] and targets [n] of 0..C, C being no label of the model."""
    n, classes = draw(st.integers(1, 30)), draw(st.integers(least_classes, 12))
    width = draw(st.sampled_from([1.0, 10.0, widest]))
    scores = draw(arrays(np.float32, (n, classes), elements=st.floats(-width, width, width=32)))
    return scores, draw(arrays(np.int64, n, elements=st.integers(0, classes)))


def value(metric, scores, targets):
    labels = tuple(f"label {index}" for index in range(scores.shape[1]))
    rows = [
        metric.row(Prediction(labels[int(row.argmax())], row, labels), Sample("s", {}, f"label {target}"))
        for row, target in zip(scores, targets, strict=True)
    ]
    return score_all(metric, rows)


def with_unknown_class(scores):
    """Probabilities [n, C + 1], the last of a class that no model label stands for."""
    probability = softmax(scores.astype(np.float64), axis=1)
    return np.pad(probability, ((0, 0), (0, 1)))


@QUICK
@given(scored(least_classes=6))
def test_top5_accuracy_equals_scikit_learn_without_ties(drawn):
    scores, targets = drawn
    scores = scores.argsort(axis=1).argsort(axis=1).astype(np.float32)  # ranks, of which no two are equal
    known = np.minimum(targets, scores.shape[1] - 1)
    expected = top_k_accuracy_score(known, scores, k=5, labels=np.arange(scores.shape[1]))
    np.testing.assert_allclose(value(Top5Accuracy(), scores, known), expected, atol=1e-12)


@QUICK
@given(scored())
def test_nll_equals_scikit_learn(drawn):
    scores, targets = drawn
    expected = log_loss(targets, with_unknown_class(scores), labels=np.arange(scores.shape[1] + 1))
    np.testing.assert_allclose(value(NLL(), scores, targets), expected, rtol=1e-12, atol=1e-12)


@QUICK
@given(scored())
def test_brier_equals_scikit_learn(drawn):
    scores, targets = drawn
    labels = np.arange(scores.shape[1] + 1)
    expected = brier_score_loss(targets, with_unknown_class(scores), labels=labels, scale_by_half=False)
    np.testing.assert_allclose(value(Brier(), scores, targets), expected, rtol=1e-12, atol=1e-12)


@QUICK
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(2, 12), st.floats(0.01, 5))
def test_ece_equals_torchmetrics_off_the_edges(seed, n, classes, width):
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=width, size=(n, classes)).astype(np.float32)
    targets = rng.integers(classes, size=n)
    probability = softmax(scores.astype(np.float64), axis=1)
    place = probability.max(axis=1) * 15
    assume(np.abs(place - np.round(place)).min() > 3e-5)  # its bins are [lo, hi), and ours end 1e-6 above an edge
    expected = multiclass_calibration_error(
        torch.from_numpy(probability), torch.from_numpy(targets), num_classes=classes, n_bins=15, norm="l1"
    )
    np.testing.assert_allclose(value(ECE(), scores, targets), expected.item(), atol=1e-6)


@QUICK
@given(st.integers(1, 60).flatmap(lambda n: arrays(np.int64, (2, n), elements=st.integers(0, 8))))
def test_class_means_equal_torchmetrics_over_the_true_classes(drawn):
    targets, predictions = drawn
    present = np.unique(targets)
    for metric, reference in ((MacroF1(), multiclass_f1_score), (MeanClassRecall(), multiclass_recall)):
        by_class = reference(torch.from_numpy(predictions), torch.from_numpy(targets), num_classes=9, average=None)
        rows = [
            metric.row(Prediction(str(p)), Sample("s", {}, str(t))) for t, p in zip(targets, predictions, strict=True)
        ]
        np.testing.assert_allclose(score_all(metric, rows), by_class[present].mean().item(), atol=1e-6)
