"""The check that batching changes no answer."""

import numpy as np
import pytest
import torch

from mmbench.engine.invariance import check_invariance
from mmbench.model import Batch
from mmbench.sample import Prediction, Sample
from mmbench_tasks.vqa.task import VQA


def check(evaluation):
    return evaluation.record.settings["checks"]["batch_invariance"]


def test_film_does_not_depend_on_its_neighbours(run):
    found = check(run("film", limit=64, batch_size=16, invariance=20))
    assert (found["samples"], found["batch_size"], found["differ"]) == (20, 16, 0)
    assert found["max_score_difference"] < 1e-4


def test_predictions_that_change_are_counted(run):
    """Alone this model says no to the 16 odd questions of 32, in a batch it says yes to all."""
    found = check(run("probe-neighbourly", batch_size=8, invariance=32))
    assert (found["samples"], found["differ"]) == (32, 16)
    assert found["max_score_difference"] == pytest.approx(1.0)


def test_batch_size_1_cannot_differ(run):
    assert check(run("probe-neighbourly", batch_size=1, invariance=32))["differ"] == 0


def test_failed_samples_are_not_asked_again(run):
    found = check(run("probe-stumbling", batch_size=8, invariance=32, on_error="skip"))
    assert (found["samples"], found["differ"]) == (31, 0)


def test_model_that_fits_only_small_batches_is_checked_too(run):
    found = check(run("probe-cramped", batch_size=32, invariance=32))
    assert found["differ"] == 0


class Embedder:
    """Embeds by chance where `noise` is set."""

    name, modalities = "embedder", ("image",)

    def __init__(self, noise):
        self.noise = noise

    def collate(self, samples):
        return Batch(len(samples), {"image": torch.arange(len(samples)).float()}, {})


class Embedding:
    """Asks for vectors."""

    card = VQA.card

    def ask(self, model, batch):
        vectors = torch.ones(batch.size, 3) + model.noise * torch.rand(batch.size, 3)
        return [Prediction("", vector=vector.numpy()) for vector in vectors]


@pytest.mark.parametrize(("noise", "differ"), [(0.0, 0), (1e-7, 0), (1.0, 4)])
def test_vectors_are_compared(noise, differ):
    samples = [Sample(str(number), {}) for number in range(4)]
    found = check_invariance(Embedder(noise), Embedding(), samples, torch.device("cpu"), 4, np.arange(4), 4)
    assert (found["samples"], found["differ"]) == (4, differ)
    assert found["max_score_difference"] <= noise * 1.5 + 1e-9
