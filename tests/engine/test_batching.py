"""The batch size changes no prediction, or the record says how many."""

import pytest

from mmbench.record.store import Store


def rows(evaluation):
    return Store(evaluation.folder).load_samples(evaluation.folder)


@pytest.fixture(scope="module")
def of_size_64():
    """Rows and metrics of film at batch size 64, found once."""
    return {}


@pytest.mark.parametrize("size", [1, 7, 64, "auto"])
def test_film_gives_the_same_rows_at_every_batch_size(size, run, of_size_64):
    evaluation = run("film", limit=200, batch_size=size)
    if not of_size_64:
        reference = run("film", limit=200, batch_size=64)
        of_size_64 |= {"rows": rows(reference), "metrics": reference.record.metrics}
    assert rows(evaluation).equals(of_size_64["rows"])
    assert evaluation.record.metrics == of_size_64["metrics"]


def test_auto_is_recorded_as_the_size_it_chose(run):
    record = run("film", limit=100, batch_size="auto").record
    size = record.settings["batch_size"]
    assert size in (1, 2, 4, 8, 16, 32, 64)
    assert len(record.cost.throughput.batch_s) == -(-100 // size)


def test_auto_stays_below_what_fits(run):
    record = run("probe-cramped", limit=100, batch_size="auto").record
    assert record.settings["batch_size"] <= 4
    assert record.failures == []


def test_batch_that_does_not_fit_is_halved(run):
    assert rows(run("probe-cramped", batch_size=32)).equals(rows(run("probe-numbered", batch_size=32)))


@pytest.mark.parametrize("size", [1, 7, 64])
def test_samples_bucketed_by_length_come_back_in_order(size, run):
    bucketed = run("probe-bucketed", limit=500, batch_size=size)
    assert rows(bucketed).equals(rows(run("probe-numbered", limit=500)))


def test_auto_does_not_hide_a_sample_that_fails(run):
    record = run("film", "probe-corrupt", batch_size="auto", on_error="skip").record
    assert len(record.failures) == 2
