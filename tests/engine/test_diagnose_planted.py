"""`diagnose` of planted models, of which it is known what they use."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmbench.data.card import DatasetCard
from mmbench.engine.diagnose_options import SECTIONS, DiagnoseOptions
from mmbench.engine.options import EvalOptions
from mmbench.metrics.accuracy import Accuracy
from mmbench.model import Batch
from mmbench.sample import Sample
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

BRIEF = DiagnoseOptions(permutations=2, emap_samples=60, levels=(0.5, 1.0))
HERE = EvalOptions(limit=80, workers=0, threads=1, device="cpu")


class Numbers(VQA):
    """Two numbers each, from -1 to 1, alone or ten samples in a cluster: is their sum, or their product, above 0?"""

    card = replace(
        VQA.card,
        name="test-numbers",
        modalities=("left", "right"),
        datasets=("test-sum", "test-product", "test-clusters"),
    )

    def load(self, dataset: DatasetCard, split: str) -> list[Sample]:
        rng = np.random.default_rng(0)
        pairs = rng.uniform(-1, 1, size=(200, 2)).round(3)
        values = pairs.prod(axis=1) if dataset.name == "test-product" else pairs.sum(axis=1)
        clustered = dataset.name == "test-clusters"
        return [
            Sample(
                f"{split}/{n}",
                {"left": left, "right": right},
                target="above" if value > 0 else "below",
                group=f"g{n // 10}" if clustered else None,
            )
            for n, ((left, right), value) in enumerate(zip(pairs.tolist(), values.tolist(), strict=True))
        ]


class Planted:
    """Knows the answer: logits from the sum, or from the product. One takes every low number on the left for an answer
    that is never right, and for which of two such the number on the right decides."""

    labels = ("above", "below", "one", "other")
    modalities = ("left", "right")

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def open(cls, name: str) -> "Planted":
        return cls(name)

    def collate(self, samples):
        inputs = {m: torch.tensor([sample.inputs.get(m, 0.0) for sample in samples]) for m in self.modalities}
        mask = {m: torch.tensor([m in sample.inputs for sample in samples]) for m in self.modalities}
        return Batch(len(samples), inputs, mask)

    def classify(self, batch):
        left, right = (batch.inputs[m] for m in self.modalities)
        score = left + right if self.name == "test-adds" else left * right if self.name == "test-multiplies" else left
        never = torch.full_like(score, -2.0)
        if self.name == "test-errs":
            never = (left < 0.3).float()
            return torch.stack([0.5 - never, score - 9, never * right, -never * right], dim=1)
        return torch.stack([score, -score, never, never], dim=1)


@pytest.fixture
def numbers(register):
    register("task", "test-numbers", Numbers)
    for name in Numbers.card.datasets:
        card = {"name": name, "tasks": ("test-numbers",), "modalities": ("left", "right"), "metrics": ("accuracy",)}
        register("dataset", name, easy_vqa.model_copy(update=card))
    for name in ("test-adds", "test-multiplies", "test-left", "test-errs"):
        register("model", name, Planted)
    return "test-numbers"


@pytest.mark.parametrize(
    ("model", "dataset", "beginning"),
    [
        ("test-adds", "test-sum", "Uses left and right; their additive part alone does as well (EMAP gain +0.000)."),
        ("test-multiplies", "test-product", "Uses left and right, and their interaction (EMAP gain +0."),
        ("test-left", "test-sum", "Uses left only: shuffling right changes no answer (accuracy 0.7"),
    ],
)
def test_planted_models_are_told_apart(look, numbers, model, dataset, beginning):
    record = look(
        model, numbers, dataset, chosen=replace(BRIEF, emap_samples=200), options=replace(HERE, limit=None)
    ).record
    assert record.verdict.startswith(beginning)
    assert record.interaction.recombined == "inputs"
    assert record.absent == {"robustness": "there is no noise for what the model reads"}


@pytest.mark.parametrize(("dataset", "only"), [("test-sum", True), ("test-clusters", False)])
def test_absence_is_shown_by_clusters_and_not_by_samples(look, numbers, dataset, only):
    """200 samples that stand alone are enough to say that no answer changes; 20 clusters of ten are not."""
    chosen = replace(BRIEF, skip=("emap", "shapley", "missing", "robustness", "calibration"))
    record = look("test-left", numbers, dataset, chosen=chosen, options=replace(HERE, limit=None)).record
    assert record.perceptual["right"].changed == 0
    assert record.verdict.startswith(f"Uses left{' only:' if only else ';'} shuffling right changes no answer")


def test_interaction_is_ruled_out_by_clusters_and_not_by_samples(look, numbers):
    chosen = replace(BRIEF, emap_samples=200, skip=("shapley", "missing", "robustness", "calibration"))
    record = look("test-adds", numbers, "test-clusters", chosen=chosen, options=replace(HERE, limit=None)).record
    assert (record.interaction.changed, record.interaction.gain.n) == (0, 200)
    assert record.verdict == "Uses left and right. Whether they interact is not clear (EMAP gain +0.000)."


def test_another_wrong_answer_is_a_change(look, numbers):
    """No score depends on the number on the right, but answers do."""
    chosen = replace(BRIEF, skip=("emap", "shapley", "robustness", "calibration"))
    record = look("test-errs", numbers, "test-sum", chosen=chosen, options=replace(HERE, limit=None)).record
    shuffled = record.perceptual["right"]
    assert (shuffled.score.value, record.missing["right"].drop.value) == (0.0, 0.0)
    assert shuffled.changed > 50
    assert record.missing["right"].changed > 0
    assert f"; shuffling right changes {shuffled.changed} of 200 answers (accuracy 0." in record.verdict


class OfAbove(Accuracy):
    """Accuracy on what is above 0, and nothing else."""

    name = "test_of_above"
    columns = ("correct", "about")

    def row(self, prediction, sample):
        return (*super().row(prediction, sample), int(sample.target == "above"))

    def selected(self, rows):
        return rows["about"] == 1


def test_only_what_the_metric_is_about_counts_as_changed(look, numbers, register):
    """Nearly every answer changes under one of nine permutations: all 200 do not, since the metric is about fewer."""
    register("metric", OfAbove.name, OfAbove)
    skip = ("emap", "shapley", "missing", "robustness", "calibration")
    chosen = replace(BRIEF, metric=OfAbove.name, permutations=9, skip=skip)
    found = look("test-multiplies", numbers, "test-product", chosen=chosen, options=replace(HERE, limit=None)).record
    assert found.clean.n < 120
    assert found.clean.n * 0.9 < found.perceptual["left"].changed <= found.clean.n


def test_gain_of_a_sum_is_exactly_0(look, numbers):
    chosen = replace(BRIEF, emap_samples=200, skip=SECTIONS[1:])
    found = look("test-adds", numbers, "test-sum", chosen=chosen, options=replace(HERE, limit=None)).record.interaction
    assert (found.gain.value, found.changed, found.full.value) == (0.0, 0, 1.0)


def test_gain_of_shipped_logits_that_are_a_sum_is_0(look):
    """Product of experts adds up the log-probabilities of each modality's own head."""
    record = look(
        "product-of-experts", chosen=replace(BRIEF, skip=("shapley", "missing", "robustness", "calibration"))
    ).record
    assert (record.interaction.gain.value, record.interaction.changed) == (0.0, 0)
    assert record.interaction.recombined == "tokens"
    nll = replace(BRIEF, metric="nll", skip=SECTIONS[1:])
    assert look("product-of-experts", chosen=nll).record.interaction.gain.value == pytest.approx(0.0, abs=1e-5)


def test_the_same_seed_gives_the_same_record(look, numbers):
    def numbers_of(seed):
        options = replace(HERE, limit=None, seed=seed)
        kept = {"verdict", "interaction", "perceptual", "shapley", "missing", "calibration"}
        return look("test-left", numbers, "test-sum", options=options).record.model_dump(include=kept)

    assert numbers_of(0) == numbers_of(0)
    assert numbers_of(0) != numbers_of(7)
