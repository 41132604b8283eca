import pytest

from mmbench.errors import UsageError
from mmbench.leaderboard.select import Selection
from mmbench.leaderboard.table import build_tables


def ranked(table):
    return [(row.rank, row.model) for row in table.rows]


def test_overlapping_intervals_share_a_rank(make):
    records = [
        make("worst", 0.50, 0.45, 0.55),
        make("best", 0.95, 0.93, 0.97),
        make("overlaps", 0.94, 0.92, 0.96),
        make("touches", 0.91, 0.89, 0.93),
        make("below", 0.90, 0.88, 0.91),
    ]
    (table,) = build_tables(records)
    # below is beaten by best (0.93) and by overlaps (0.92); touches meets best at 0.93 and is beaten by no one
    assert ranked(table) == [(1, "best"), (1, "overlaps"), (1, "touches"), (3, "below"), (5, "worst")]


def test_values_without_interval_are_points(make):
    (table,) = build_tables([make("a", 0.9), make("b", 0.8), make("c", 0.9)])
    assert ranked(table) == [(1, "a"), (1, "c"), (3, "b")]


def test_no_value_ranks_last(make):
    (table,) = build_tables([make("none", None), make("zero", 0.0), make("also none", None)])
    assert ranked(table) == [(1, "zero"), (2, "also none"), (2, "none")]


def test_direction_and_other_metric(make, metric_of):
    slow = make("a", 0.9, wer=metric_of(0.30, 0.28, 0.32, higher_is_better=False))
    good = make("b", 0.8, wer=metric_of(0.10, 0.08, 0.12, higher_is_better=False))
    missing = make("c", 0.7)
    (table,) = build_tables([slow, good, missing], sort="wer")
    assert ranked(table) == [(1, "b"), (2, "a"), (3, "c")]
    assert (table.sort, table.main_metric, table.metrics) == ("wer", "accuracy", ("accuracy", "wer"))
    (table,) = build_tables([slow, good], metrics=["wer"])
    assert table.metrics == ("wer",)
    assert ranked(table) == [(1, "a"), (2, "b")]


def test_latest_run_of_a_model_counts(make):
    records = [make("a", 0.95, day=0), make("a", 0.5, day=1), make("b", 0.7, day=0)]
    (table,) = build_tables(records)
    assert ranked(table) == [(1, "b"), (2, "a")]
    (table,) = build_tables([*records, records[0]], show="all")
    assert [(row.rank, row.model, row.metrics["accuracy"].value) for row in table.rows] == [
        (1, "a", 0.95),
        (2, "b", 0.7),
        (3, "a", 0.5),
    ]


@pytest.mark.parametrize("other", [{"split": "val"}, {"revision": "2"}, {"n": 10}, {"limit": 9673}, {"name": "vqav2"}])
def test_only_comparable_runs_share_a_table(make, other):
    assert [len(table.rows) for table in build_tables([make("a"), make("b", dataset=other)])] == [1, 1]


def test_counts_kinds_of_machine(make):
    first, second = make("a"), make("b")
    elsewhere = second.environment.model_copy(update={"cpu": "Another CPU"})
    assert build_tables([first, second])[0].machines == 1
    assert build_tables([first, second.model_copy(update={"environment": elsewhere})])[0].machines == 2


def test_unknown_metric_gives_the_nearest(make):
    with pytest.raises(UsageError, match=r"unknown metric .*'acuracy'; did you mean 'accuracy'"):
        build_tables([make()], sort="acuracy")
    with pytest.raises(UsageError, match=r"unknown metric .*'f1'"):
        build_tables([make()], metrics=["accuracy", "f1"])


def test_selection_takes_patterns(make):
    records = [make("film"), make("film-large"), make("concat"), make("film", dataset={"split": "val"})]
    chosen = Selection(model=["film*"], split=["test"]).apply(records)
    assert [record.model.name for record in chosen] == ["film", "film-large"]
    assert Selection(model=["concat", "film-*"]).apply(records) == records[1:3]
    assert Selection().apply(records) == records


def test_selection_refuses_what_matches_nothing(make):
    records = [make("film"), make("concat", dataset={"split": "val"})]
    with pytest.raises(UsageError, match=r"unknown model .*'fim'; did you mean 'film'"):
        Selection(model=["concat", "fim"]).apply(records)
    with pytest.raises(UsageError, match="no record has all of: split 'val', model 'film'"):
        Selection(model=["film"], split=["val"]).apply(records)


def test_models_of_one_name_that_differ_are_told_apart(make):
    """Two folders of the same name, and one factory with two options; each again on the next day."""

    def opened(value, day, sha, **config):
        weights = {"source": "model", "sha256": sha * 64}
        return make("hf:model", value, day=day, model_info={"config": config, "weights": weights})

    records = [opened(0.1 * n, n, sha, depth=d) for n, (sha, d) in enumerate((("a", 2), ("b", 2), ("b", 4), ("a", 2)))]
    (table,) = build_tables(records)
    assert [row.metrics["accuracy"].value for row in table.rows] == pytest.approx([0.3, 0.2, 0.1])
    assert len({row.label for row in table.rows}) == 3
    assert table.rows[1].label.startswith("hf:model (depth=4")
    assert table.hidden == 1


def test_speed_of_another_machine_is_no_speed(make):
    usage = {"requests": 9, "retried": 0, "cached": 91, "failed": 0}
    usage |= {"input_tokens": 90, "output_tokens": 9, "cost": None, "request_s": [0.1] * 9}
    (table,) = build_tables([make("openai:gpt", 0.9, cost={"usage": usage}), make("film", 0.8)])
    remote, own = table.rows
    assert (remote.samples_per_s, remote.peak_bytes) == (None, None)
    assert own.samples_per_s is not None
