"""Samples, models and metrics that fail: the run stops or leaves them unscored, as it was told."""

import json

import pytest

from mmbench.errors import HarnessError
from mmbench.record.store import Store

CASES = {
    "sample": (
        "probe-numbered",
        "probe",
        "probe-unreadable",
        [("#3", "load", "ValueError: row 3 of the table is torn")],
    ),
    "image": (
        "film",
        "probe",
        "probe-corrupt",
        [("test/5", "decode", "DecodeError: "), ("test/9", "decode", "DecodeError: ")],
    ),
    "model": ("probe-stumbling", "probe", "probe-clean", [("test/7", "model", "ValueError: cannot stand a 7")]),
    "metric": ("probe-numbered", "picky", "picky-clean", [("test/2", "score", "KeyError: 'no synonym of the target'")]),
}
"""What fails: model, task, data set, and the failures as (id, stage, beginning of the reason)."""

cases = pytest.mark.parametrize("case", CASES)


def journals(tmp_path):
    return list((tmp_path / "results").rglob("*.jsonl"))


def rows(evaluation):
    return Store(evaluation.folder).load_samples(evaluation.folder).to_pylist()


@cases
@pytest.mark.parametrize("size", [1, 8, 32])
def test_skip_leaves_failing_samples_unscored(case, size, run):
    model, task, dataset, expected = CASES[case]
    evaluation = run(model, dataset, task=task, batch_size=size, on_error="skip")
    record = evaluation.record
    assert [(failure.id, failure.stage) for failure in record.failures] == [
        (name, stage) for name, stage, _ in expected
    ]
    for failure, (_, _, reason) in zip(record.failures, expected, strict=True):
        assert failure.reason.startswith(reason)
        assert "\n" not in failure.reason
    assert record.dataset.n == 32
    assert {metric.n for metric in record.metrics.values()} == {32 - len(expected)}
    found = rows(evaluation)
    assert [row["index"] for row in found] == list(range(32))
    failed = {row["id"]: row for row in found if row["error"] is not None}
    assert list(failed) == [name for name, _, _ in expected]
    for name, stage, reason in expected:
        assert failed[name]["error"].startswith(f"{stage}: {reason}")
        assert failed[name]["prediction"] is None


@cases
def test_skip_counts_failing_samples_neither_right_nor_wrong(case, run):
    model, task, dataset, expected = CASES[case]
    record = run(model, dataset, task=task, on_error="skip").record
    names = {name.replace("#", "test/") for name, _, _ in expected}
    others = [row for row in rows(run(model if model == "film" else "probe-numbered")) if row["id"] not in names]
    right = sum(row["target"] == row["prediction"] for row in others)
    assert record.metrics["accuracy"].value == pytest.approx(right / len(others))


@cases
def test_fail_stops_at_the_first_failing_sample_and_says_which(case, run, tmp_path):
    model, task, dataset, expected = CASES[case]
    name, stage, reason = expected[0]
    with pytest.raises(HarnessError) as caught:
        run(model, dataset, task=task, batch_size=4)
    assert str(caught.value).startswith(f"sample {name} failed at stage {stage}: {reason}")
    assert caught.value.exit_code == 4
    assert list((tmp_path / "results").rglob("record.json")) == []


def test_stopped_run_can_be_resumed_with_skip(run, tmp_path):
    """As the message of the stop says: what was scored is kept."""
    with pytest.raises(HarnessError, match="--on-error skip leaves such samples unscored, --resume keeps what"):
        run("film", "probe-corrupt", batch_size=4)
    (journal,) = journals(tmp_path)
    header, *batches = map(json.loads, journal.read_text(encoding="utf-8").splitlines())
    assert [entry["batch"] for entry in batches] == [0]
    resumed = run("film", "probe-corrupt", batch_size=4, on_error="skip", resume=True)
    assert resumed.record.run_id == header["run_id"]
    assert journals(tmp_path) == []
    whole = run("film", "probe-corrupt", batch_size=4, on_error="skip", output=tmp_path / "whole")
    assert rows(resumed) == rows(whole)


def test_resuming_a_skipping_run_with_fail_stops(run, tmp_path):
    with pytest.raises(HarnessError, match="more than --max-errors 1"):
        run("film", "probe-corrupt", batch_size=8, on_error="skip", max_errors=1)
    with pytest.raises(HarnessError, match="sample test/5 failed at stage decode"):
        run("film", "probe-corrupt", batch_size=8, resume=True)
    assert len(journals(tmp_path)) == 1


@pytest.mark.parametrize("allowed", [2, 10, None])
def test_errors_up_to_the_maximum_are_allowed(allowed, run):
    assert len(run("film", "probe-corrupt", on_error="skip", max_errors=allowed).record.failures) == 2


@pytest.mark.parametrize("allowed", [0, 1])
@pytest.mark.parametrize("size", [1, 4, 32])
def test_more_errors_than_the_maximum_stop_the_run(allowed, size, run, tmp_path):
    with pytest.raises(HarnessError, match=rf"^\d samples failed, more than --max-errors {allowed}; the last: sample"):
        run("film", "probe-corrupt", batch_size=size, on_error="skip", max_errors=allowed)
    assert list((tmp_path / "results").rglob("record.json")) == []


@pytest.mark.parametrize("size", [1, 32])
def test_nothing_scored_is_an_error(size, run, tmp_path):
    with pytest.raises(
        HarnessError, match="no sample could be scored; test/0 failed at stage model: ValueError: cannot"
    ):
        run("probe-helpless", batch_size=size, on_error="skip")
    assert [path for path in (tmp_path / "results").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("size", [1, 8])
def test_first_sample_may_fail(size, run):
    """Where a failure comes before all else, the rows after it keep their columns."""
    evaluation = run("probe-numbered", "probe-headless", batch_size=size, limit=8, on_error="skip")
    first, *others = rows(evaluation)
    assert (first["id"], first["error"], first["accuracy.correct"]) == ("#0", "load: ValueError: row 0 is torn", None)
    assert others == [row | {"error": None} for row in rows(run("probe-numbered", limit=8))[1:]]
