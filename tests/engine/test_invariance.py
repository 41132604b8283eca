"""The check that batching changes no answer."""

import pytest


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
