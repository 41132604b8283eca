"""The front of quality against speed, against the definition, and what a table says of it."""

import itertools
import json

import numpy as np
import pytest

from mmbench.leaderboard.cells import columns, notes
from mmbench.leaderboard.data import to_frame, to_json
from mmbench.leaderboard.pareto import front
from mmbench.leaderboard.table import build_tables
from mmbench.profile.results import Passes


def by_definition(points):
    def beats(one, other):
        return one[0] >= other[0] and one[1] >= other[1] and one != other

    return [not any(beats(other, point) for other in points) for point in points]


def test_front_is_what_nothing_beats_in_both():
    generator = np.random.default_rng(0)
    for n in [*range(1, 9), *[30] * 20]:
        points = [tuple(pair) for pair in generator.integers(0, 8, size=(n, 2)).tolist()]  # with many ties
        assert front(points) == by_definition(points)


def test_equal_points_stand_together_and_order_does_not_matter():
    points = [(0.9, 10.0), (0.9, 10.0), (0.8, 20.0), (0.8, 15.0), (0.7, 5.0)]
    expected = dict(zip(points, [True, True, True, False, False], strict=True))
    for order in itertools.permutations(points):
        assert front(order) == [expected[point] for point in order]


def test_a_point_without_a_value_is_not_compared():
    assert front([(None, 1e9), (2.0, None), (0.5, 3.0), (None, None)]) == [None, None, True, None]
    assert front([]) == []


@pytest.fixture
def timed(make):
    """Make a record: `timed("film", 0.9, alone=100.0, scoring=50.0)`; no pass of the model alone if that is `None`."""

    def build(model, value, alone, scoring=1.0, batch_size=64, **rest):
        record = make(model, value, cost={"throughput": {"samples_per_s": scoring, "batch_s": [1.0]}}, **rest)
        found = None
        if alone is not None:
            speed = record.cost.model_throughput.samples_per_s.model_copy(update={"value": alone})
            found = record.cost.model_throughput.model_copy(update={"samples_per_s": speed, "batch_size": batch_size})
        return record.model_copy(update={"cost": record.cost.model_copy(update={"model_throughput": found})})

    return build


def table_of(*records, **options):
    (table,) = build_tables(list(records), **options)
    return table


def on_front(table):
    return {row.model: row.pareto for row in table.rows}


def shown(table):
    cells = {column.header: [str(cell) for cell in column.cells] for column in columns(table)}
    return cells, " ".join(notes(table))


def test_the_models_own_speed_decides_where_all_have_it(timed):
    table = table_of(
        timed("slow", 0.9, 10.0, scoring=9.0), timed("fast", 0.8, 20.0, scoring=3.0), timed("no", 0.7, 15.0)
    )
    assert on_front(table) == {"slow": True, "fast": True, "no": False}
    cells, text = shown(table)
    assert cells["samples/s"] == ["10.00", "20.00", "15.00"]
    assert cells["front"] == ["★", "★", ""]
    assert "samples/s: of the model alone, batch size 64." in text
    assert "★: on the Pareto front. No other row is at least as good in accuracy and in samples/s" in text


def test_else_that_of_the_scoring_pass_decides_for_all(timed):
    table = table_of(
        timed("slow", 0.9, 10.0, scoring=9.0), timed("fast", 0.8, 20.0, scoring=3.0), timed("no", 0.7, None, 4.0)
    )
    assert on_front(table) == {"slow": True, "fast": False, "no": False}
    cells, text = shown(table)
    assert cells["samples/s"] == ["9.0000", "3.0000", "4.0000"]
    assert "samples/s: of the pass that scored, decoding included." in text
    assert "of the model alone" not in text


def test_speeds_at_different_batch_sizes_have_no_front(timed):
    one, other = timed("a", 0.9, 10.0, batch_size=64), timed("b", 0.8, 20.0, batch_size=8)
    table = table_of(one, other)
    assert on_front(table) == {"a": None, "b": None}
    cells, text = shown(table)
    assert "front" not in cells
    assert "of the model alone, batch size 8 or 64." in text
    assert "different batch sizes (8, 64): compare samples/s and memory with care; no Pareto front is marked." in text
    assert "★" not in text
    same = table_of(one, timed("b", 0.8, 20.0, batch_size=64))
    assert on_front(same) == {"a": True, "b": True}
    assert "different batch sizes" not in shown(same)[1]


def test_batch_sizes_of_the_scoring_pass_count_where_its_speed_is_shown(timed):
    def at(record, size):
        return record.model_copy(update={"settings": record.settings | {"batch_size": size}})

    alone = [timed("a", 0.9, 10.0), timed("b", 0.8, 20.0)]
    assert on_front(table_of(*map(at, alone, [8, 64]))) == {"a": True, "b": True}  # both of the model at 64
    scoring = [timed("a", 0.9, None, scoring=3.0), timed("b", 0.8, None, scoring=4.0)]
    assert on_front(table_of(*map(at, scoring, [64, 64]))) == {"a": True, "b": True}
    table = table_of(*map(at, scoring, [1024, 64]))
    assert on_front(table) == {"a": None, "b": None}
    assert "different batch sizes (64, 1,024)" in shown(table)[1]


def test_a_run_without_costs_changes_nothing_and_is_never_on_the_front(timed):
    elsewhere = timed("elsewhere", 0.99, 1.0).model_copy(update={"cost": None})
    there = elsewhere.environment.model_copy(update={"cpu": "Another CPU"})
    elsewhere = elsewhere.model_copy(update={"environment": there})  # where predictions are scored costs nothing
    table = table_of(timed("a", 0.9, 10.0), timed("b", 0.8, 5.0), elsewhere)
    assert on_front(table) == {"elsewhere": None, "a": True, "b": False}
    assert shown(table)[0]["front"] == ["", "★", ""]
    nothing = shown(table_of(elsewhere))
    assert "front" not in nothing[0]
    assert "samples/s:" not in nothing[1]


def test_lower_is_better_for_an_error_rate(timed, metric_of):
    def record(model, error, speed):
        return timed(model, 0.5, speed, wer=metric_of(error, higher_is_better=False))

    table = table_of(record("good", 0.1, 5.0), record("fast", 0.3, 9.0), record("bad", 0.4, 7.0), sort="wer")
    assert on_front(table) == {"good": True, "fast": True, "bad": False}


def test_a_metric_that_does_not_judge_has_no_front(timed, metric_of):
    records = [timed(name, 0.5, 5.0, length=metric_of(10.0, higher_is_better=None)) for name in "ab"]
    table = table_of(*records, sort="length")
    assert on_front(table) == {"a": None, "b": None}
    assert "front" not in shown(table)[0]


def test_several_kinds_of_machine_have_no_front(timed):
    here, there = timed("a", 0.9, 10.0), timed("b", 0.8, 5.0)
    there = there.model_copy(update={"environment": there.environment.model_copy(update={"threads": 64})})
    table = table_of(here, there)
    assert on_front(table) == {"a": None, "b": None}
    cells, text = shown(table)
    assert "front" not in cells
    assert "2 kinds of machine" in text
    assert "no Pareto front is marked" in text
    assert "★" not in text


def test_runs_on_several_devices_of_a_machine_have_no_front(timed):
    here, there = timed("a", 0.9, 10.0), timed("b", 0.8, 5.0)
    assert on_front(table_of(here, there)) == {"a": True, "b": False}
    there = there.model_copy(update={"settings": there.settings | {"device": "cuda"}})
    table = table_of(here, there)
    assert on_front(table) == {"a": None, "b": None}
    assert "2 kinds of machine" in shown(table)[1]


def test_one_row_is_no_contest(timed):
    cells, text = shown(table_of(timed("a", 0.9, 10.0)))
    assert "front" not in cells
    assert "★" not in text


def test_over_seeds_the_medians_decide(trained):
    def with_speed(record, value):
        speed = record.cost.model_throughput.samples_per_s.model_copy(update={"value": value})
        found = record.cost.model_throughput.model_copy(update={"samples_per_s": speed})
        return record.model_copy(update={"cost": record.cost.model_copy(update={"model_throughput": found})})

    film = [with_speed(trained(seed, "film", 0.9), speed) for seed, speed in enumerate([10.0, 12.0, 900.0])]
    concat = [with_speed(trained(seed, "concat", 0.8), speed) for seed, speed in enumerate([11.0, 11.0, 11.0])]
    table = table_of(*film, *concat, show="seeds")
    assert [(row.model, row.model_samples_per_s, row.pareto) for row in table.rows] == [
        ("film", 12.0, True),
        ("concat", 11.0, False),
    ]
    lacking = film[0].model_copy(update={"cost": film[0].cost.model_copy(update={"model_throughput": None})})
    table = table_of(lacking, *film[1:], *concat, show="seeds")
    assert table.speed == "samples_per_s"
    assert table.rows[0].model_samples_per_s is None


def test_programs_read_null_where_it_cannot_be_told(timed, make):
    tables = build_tables([timed("a", 0.9, 10.0), timed("b", 0.8, 5.0), timed("none", None, 99.0)])
    rows = json.loads(to_json(tables))["tables"][0]["rows"]
    assert [(row["model"], row["pareto"], row["model_samples_per_s"]) for row in rows] == [
        ("a", True, 10.0),
        ("b", False, 5.0),
        ("none", None, 99.0),
    ]
    frame = to_frame(tables)
    assert frame["pareto"].dtype == "boolean"
    assert frame[frame["pareto"].fillna(False)]["model"].tolist() == ["a"]


def at_level(record, level, speed, threads):
    """The record of a run with cost passes, or without any; its machine has so many threads to compute with."""
    passes = {} if level == "off" else {"model_throughput": alone(record, speed)}
    cost = record.cost.model_copy(update=dict.fromkeys(Passes.model_fields) | {"failures": []} | passes)
    environment = record.environment.model_copy(update={"threads": threads})
    settings = record.settings | {"cost": level}
    return record.model_copy(update={"cost": cost, "environment": environment, "settings": settings})


def alone(record, speed):
    found = record.cost.model_throughput
    return found.model_copy(update={"samples_per_s": found.samples_per_s.model_copy(update={"value": speed})})


def test_costs_of_runs_that_measured_none_do_not_count(trained):
    """Seeds evaluated beside other work, on fewer threads, have a speed too: that of the pass that scored."""

    def seeds(model, value, speed):
        quick = trained(0, model, value, cost={"memory": {"peak_bytes": 10, "method": "rss"}})
        off = trained(1, model, value, cost={"memory": {"peak_bytes": 99, "method": "rss"}})
        off = off.model_copy(update={"settings": off.settings | {"batch_size": 3}})
        return at_level(quick, "quick", speed, threads=2), at_level(off, "off", None, threads=1)

    table = table_of(*seeds("film", 0.9, 10.0), *seeds("sum", 0.8, 20.0), *seeds("concat", 0.7, 15.0), show="seeds")
    assert (table.speed, table.machines) == ("model_samples_per_s", 1)
    assert [(row.model, row.model_samples_per_s, row.peak_bytes) for row in table.rows] == [
        ("film", 10.0, 10),
        ("sum", 20.0, 10),
        ("concat", 15.0, 10),
    ]
    assert on_front(table) == {"film": True, "sum": True, "concat": False}
    assert "Costs are medians of the runs with the most thorough cost passes." in shown(table)[1]


def test_the_most_thorough_cost_passes_count(trained):
    quick, full = at_level(trained(0), "quick", 5.0, threads=2), at_level(trained(1), "full", 7.0, threads=1)
    (row,) = table_of(quick, full, show="seeds").rows
    assert row.model_samples_per_s == 7.0
    off = at_level(trained(0), "off", None, threads=2)
    older = trained(1)  # a record from before there was such a setting: it has passes
    (row,) = table_of(off, older, show="seeds").rows
    assert row.model_samples_per_s == older.cost.model_throughput.samples_per_s.value
