"""What runs must share to be compared, and their samples in one order."""

import pyarrow as pa
import pytest

from mmbench.errors import UsageError
from mmbench.leaderboard.compare import compare_runs
from mmbench.leaderboard.stored_run import check_comparable, find_runs
from mmbench.metrics.exact_match import ExactMatch
from mmbench.record.store import Store

ANSWERS = [1, 0, 1, 1]


def compare(*folders, **options):
    return compare_runs(find_runs(folders), **options)


@pytest.mark.parametrize(
    ("data", "what", "values"),
    [
        ({"name": "vqa-v2"}, "data set", ("easy-vqa", "vqa-v2")),
        ({"revision": "2.0"}, "revision", ("1.0", "2.0")),
        ({"split": "val"}, "split", ("test", "val")),
        ({"limit": 4}, "limit", ("none", "4")),
        ({"n": 5}, "number of samples", ("4", "5")),
    ],
)
def test_other_data_are_refused_with_both_values_and_runs(stored, data, what, values):
    one = stored("film", ANSWERS)
    (run,) = find_runs([one])
    other = run.record.dataset.model_copy(update=data)
    two = stored("concat", ANSWERS, record={"dataset": other})
    with pytest.raises(UsageError, match=f"their {what} differs: {values[0]} in film .*, {values[1]} in concat"):
        compare(one, two)


def test_other_tasks_are_refused(stored):
    one, two = stored("film", ANSWERS), stored("concat", ANSWERS, record={"task": "asr"})
    with pytest.raises(UsageError, match="their task differs: vqa in film"):
        compare(one, two)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"alteration": {"drop": ["image"], "shuffle": [], "noise": [], "seed": 0}},
            "alteration differs: none in film .*, without image in concat",
        ),
        (
            {"protocol": {"normalization": "squad"}},
            r"protocol \(normalization\) differs: none in film .*, squad in concat",
        ),
    ],
)
def test_other_conditions_are_refused(stored, settings, said):
    one = stored("film", ANSWERS)
    (run,) = find_runs([one])
    two = stored("concat", ANSWERS, record={"settings": {**run.record.settings, **settings}})
    metric = ExactMatch()
    assert "normalization" in metric.options
    with pytest.raises(UsageError, match=said):
        check_comparable(find_runs([one, two]), metric)


def test_settings_of_the_metric_must_be_the_same_and_those_of_others_need_not(stored):
    runs = [
        stored(name, ANSWERS, record={"settings": {"metrics": {"accuracy": {"by": by}, "wer": {"by": wer}}}})
        for name, by, wer in (("film", "a", "x"), ("concat", "a", "y"), ("gated", "b", "x"))
    ]
    assert len(compare(*runs[:2]).entries) == 2
    with pytest.raises(UsageError, match=r"setting by of accuracy differs: a in film .*, b in gated"):
        compare(*runs)


def rewrite(folder, change):
    table = Store(folder).load_samples(folder)
    (folder / "samples.parquet").unlink()
    import pyarrow.parquet as pq

    pq.write_table(change(table), folder / "samples.parquet")


def replace_ids(table, ids):
    return table.set_column(table.column_names.index("id"), "id", pa.array(ids))


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["q0", "q1", "q2", "x"], "'q3' is in film .* and not in concat"),
        (["q0", "q1", "q2", "q2"], "'q3' is in film .* and not in concat"),
    ],
)
def test_other_samples_are_refused(stored, ids, said):
    one, two = stored("film", ANSWERS), stored("concat", ANSWERS)
    rewrite(two, lambda table: replace_ids(table, ids))
    with pytest.raises(UsageError, match=said):
        compare(one, two)


def test_more_samples_are_refused(stored):
    one, two = stored("film", ANSWERS), stored("concat", ANSWERS)
    rewrite(two, lambda table: pa.concat_tables([table, replace_ids(table, ["a", "b", "c", "d"])]))
    with pytest.raises(UsageError, match=r"'a' is in concat .* and not in film"):
        compare(one, two)


def test_an_id_of_several_samples_cannot_be_paired(stored):
    one, two = stored("film", ANSWERS), stored("concat", ANSWERS)
    rewrite(one, lambda table: replace_ids(table, ["q0", "q1", "q2", "q2"]))
    with pytest.raises(UsageError, match="an id stands for several samples"):
        compare(one, two)


def test_missing_samples_or_rows_are_refused(stored):
    one, two = stored("film", ANSWERS), stored("concat", ANSWERS)
    rewrite(two, lambda table: table.drop_columns(["accuracy.correct"]))
    with pytest.raises(UsageError, match=r"concat .* has no samples scored by accuracy"):
        compare(one, two)
    (two / "samples.parquet").unlink()
    with pytest.raises(UsageError, match=r"cannot read .*samples\.parquet"):
        compare(one, two)


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no run records in"):
        find_runs([tmp_path])


def test_only_the_columns_that_are_asked_for_are_read(stored):
    folder = stored("film", ANSWERS)
    store = Store(folder)
    assert store.load_samples(folder, lambda name: name in ("id", "error")).column_names == ["id", "error"]
    assert store.load_samples(folder).num_columns > 2
