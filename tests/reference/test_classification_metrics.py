"""Reference: scikit-learn's metrics with `labels` = the classes that occur as a target."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.macro_f1 import MacroF1
from mmbench.metrics.mean_class_recall import MeanClassRecall
from mmbench.sample import Prediction, Sample


def answers(seed, n, classes, only_predicted, share_right):
    """Targets with unequal classes (some absent, some never predicted) and predictions outside of them."""
    rng = np.random.default_rng(seed)
    target = rng.choice(classes, size=n, p=rng.dirichlet(np.full(classes, 0.5)))
    guess = rng.integers(classes // 2, classes + only_predicted, size=n)
    prediction = np.where(rng.random(n) < share_right, target, guess)
    return target.astype(str), prediction.astype(str)


def columns(metric, target, prediction):
    rows = [
        metric.row(Prediction(str(p)), Sample(str(i), {}, str(t)))
        for i, (t, p) in enumerate(zip(target, prediction, strict=True))
    ]
    return {name: np.array(values) for name, values in zip(metric.columns, zip(*rows, strict=True), strict=True)}


REFERENCES = {
    Accuracy: accuracy_score,
    MacroF1: lambda t, p: f1_score(t, p, labels=np.unique(t), average="macro", zero_division=np.nan),
    MeanClassRecall: lambda t, p: recall_score(t, p, labels=np.unique(t), average="macro", zero_division=np.nan),
}


@pytest.mark.parametrize("metric", REFERENCES, ids=lambda metric: metric.name)
@pytest.mark.parametrize(
    ("n", "classes", "only_predicted", "share_right"),
    [(1, 2, 0, 0.5), (40, 2, 0, 0.7), (40, 13, 0, 0.0), (500, 13, 4, 0.6), (500, 200, 50, 0.3), (300, 5, 3, 1.0)],
)
def test_equals_scikit_learn(metric, n, classes, only_predicted, share_right):
    for seed in range(5):
        target, prediction = answers(seed, n, classes, only_predicted, share_right)
        value = metric().aggregate(columns(metric(), target, prediction))
        assert value == pytest.approx(REFERENCES[metric](target, prediction), abs=1e-12)
