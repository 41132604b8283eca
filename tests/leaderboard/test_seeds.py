"""Rows over training seeds, against scipy and numpy."""

import statistics

import numpy as np
import pytest
from scipy import stats

from mmbench.leaderboard.cells import columns, notes
from mmbench.leaderboard.formats import FORMATS
from mmbench.leaderboard.table import build_tables


def one_table(records, **options):
    (table,) = build_tables(records, show="seeds", **options)
    return table


def labels(table):
    return [row.label for row in table.rows]


def text_of(table):
    return " ".join(notes(table))


def interval(values):
    return stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))


def test_mean_interval_and_deviation(film, film_values):
    (row,) = one_table(film).rows
    accuracy = row.metrics["accuracy"]
    assert accuracy.value == pytest.approx(np.mean(film_values))
    assert (accuracy.low, accuracy.high) == pytest.approx(interval(film_values))
    assert (accuracy.method, accuracy.level, accuracy.n) == ("student-t", 0.95, 100)
    assert row.deviations["accuracy"] == pytest.approx(np.std(film_values, ddof=1))
    assert row.metrics["wer"].value == pytest.approx(1 - np.mean(film_values))
    assert row.metrics["wer"].higher_is_better is False
    assert (row.seeds, row.variant) == (5, "")


def test_costs_are_medians_and_failures_add_up(film):
    failed = [
        record.model_copy(update={"failures": [{"id": "q", "stage": "decode", "reason": "corrupt"}] * i})
        for i, record in enumerate(film)
    ]
    (row,) = one_table(failed).rows
    assert row.samples_per_s == statistics.median([100, 101, 104, 109, 116])
    assert (row.parameters, row.peak_bytes, row.failures) == (123456, 312_400_000, 10)
    assert (row.run_id, row.created) == (film[-1].run_id, film[-1].created)


def test_an_even_number_of_peaks_gives_whole_bytes(trained):
    peaks = [{"memory": {"peak_bytes": peak, "method": "rss"}} for peak in (10, 13, None)]
    (row,) = one_table([trained(seed, cost=cost) for seed, cost in enumerate(peaks)]).rows
    assert row.peak_bytes in (11, 12)


def test_of_one_seed_the_latest_run_counts(trained):
    records = [trained(0, value=0.2, day=0), trained(1, value=0.9, day=1), trained(0, value=0.8, day=2)]
    table = one_table([*records, records[0]])
    (row,) = table.rows
    assert [run.metrics["accuracy"].value for run in row.runs] == [0.8, 0.9]
    assert row.created == records[2].created
    assert table.hidden == 1
    assert "1 earlier run is not shown: of each model and seed the latest is" in text_of(table)


def test_one_seed_has_its_value_and_nothing_of_spread(trained, film):
    table = one_table([trained(3, "concat", 0.7, 0.6, 0.8), *film])
    row = table.rows[1]
    assert (row.model, row.seeds, row.deviations) == ("concat", 1, {})
    accuracy = row.metrics["accuracy"]
    assert (accuracy.value, accuracy.low, accuracy.high, accuracy.method) == (0.7, None, None, "none")
    cells = {column.header: str(column.cells[1]) for column in columns(table)}
    assert (cells["seeds"], cells["accuracy"], cells["accuracy sd"]) == ("1", "0.7000", "–")
    assert "a single run says nothing about the spread" in text_of(table)
    assert "a single run" not in text_of(one_table(film))


def test_seeds_that_agree_claim_no_certainty(trained):
    table = one_table([trained(seed, value=1.0) for seed in range(3)])
    (row,) = table.rows
    assert (row.metrics["accuracy"].value, row.metrics["accuracy"].low, row.deviations) == (1.0, None, {"accuracy": 0})
    assert "nor do seeds that all gave one value" in text_of(table)


def test_a_model_without_training_has_no_seeds(make, film):
    table = one_table([make("elsewhere", 0.5, 0.4, 0.6, day=0), make("elsewhere", 0.6, 0.5, 0.7, day=1), *film])
    row = table.rows[1]
    assert (row.label, row.seeds, len(row.runs), row.metrics["accuracy"].value) == ("elsewhere", None, 1, 0.6)
    assert row.metrics["accuracy"].low is None
    cells = {column.header: column.cells for column in columns(table)}
    assert [str(cell) for cell in cells["seeds"]] == ["5", "–"]


def test_intervals_keep_to_what_the_metric_can_be(trained, metric_of):
    values = [0.99, 1.0, 0.95]
    records = [
        trained(seed, value=v, macro_f1=metric_of(v), wer=metric_of(1 - v, higher_is_better=False), own=metric_of(v))
        for seed, v in enumerate(values)
    ]
    metrics = one_table(records).rows[0].metrics
    low, high = interval(values)
    assert high > 1
    assert (metrics["accuracy"].low, metrics["accuracy"].high) == (pytest.approx(low), 1.0)
    assert metrics["macro_f1"].high == 1.0
    assert (metrics["wer"].low, metrics["wer"].high) == (0.0, pytest.approx(1 - low))
    assert metrics["own"].high == pytest.approx(high)  # what a metric that is not registered can be is not known


def test_ranks_come_from_the_intervals_of_the_means(trained):
    def model(name, *values):
        return [trained(seed, name, value, value - 0.5, value + 0.5) for seed, value in enumerate(values)]

    records = [*model("a", 0.90, 0.92, 0.91), *model("b", 0.80, 0.93, 0.95), *model("c", 0.50, 0.51, 0.49)]
    records += model("point", 0.89)  # b spans .69 and up; its own intervals, twice as wide, would make all equal
    table = one_table(records)
    spans = {row.model: (row.metrics["accuracy"].low, row.metrics["accuracy"].high) for row in table.rows}
    assert spans["a"] == pytest.approx(interval([0.90, 0.92, 0.91]))
    assert spans["a"][0] < 0.89  # so the two share a rank
    assert [(row.rank, row.model) for row in table.rows] == [(1, "a"), (1, "b"), (1, "point"), (4, "c")]


def test_the_metric_that_ranks_has_the_deviation(film):
    def headers(**options):
        return [column.header for column in columns(one_table(film, **options))]

    assert headers()[:6] == ["rank", "model", "seeds", "accuracy", "accuracy sd", "wer"]
    assert headers(sort="wer", metrics=["accuracy"])[2:5] == ["seeds", "accuracy", "wer sd"]


def test_a_metric_that_a_seed_lacks_has_no_mean(trained, metric_of):
    records = [trained(0, f1=metric_of(0.5)), trained(1), trained(2, f1=metric_of(None))]
    table = one_table(records)
    assert "f1" not in table.rows[0].metrics
    assert "accuracy" in table.rows[0].metrics
    assert "– for a metric that some seeds have" in text_of(table)
    assert "– for a metric" not in text_of(one_table(records[1:2]))


@pytest.mark.parametrize(
    ("other", "variants"),
    [
        ({"config": {"width": 96}}, ["width=64", "width=96"]),
        ({"options": {"batch_size": 128}}, ["batch_size=256", "batch_size=128"]),
        ({"model_info": {"parameters": 7}}, ["parameters=123456", "parameters=7"]),
        ({"config": {"frozen": ["image", "text"]}}, ["frozen=–", "frozen=image+text"]),
    ],
)
def test_runs_that_differ_in_more_than_the_seed_are_not_averaged(trained, other, variants):
    records = [trained(seed, value=0.9 + seed / 100) for seed in range(2)]
    records += [trained(seed, value=0.7 + seed / 100, day=5 + seed, **other) for seed in range(2)]
    table = one_table(records)
    assert [row.variant for row in table.rows] == variants
    assert labels(table) == [f"film ({variant})" for variant in variants]
    assert [row.seeds for row in table.rows] == [2, 2]
    assert [row.metrics["accuracy"].value for row in table.rows] == pytest.approx([0.905, 0.705])
    assert "film was made in 2 ways, which are not averaged" in text_of(table)
    assert table.hidden == 0


def trained_by(record, **training):
    """The record, with more said of its training."""
    config = {**record.model.config, "training": {**record.model.config["training"], **training}}
    return record.model_copy(update={"model": record.model.model_copy(update={"config": config})})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"encoders_from": {"image": "a" * 64}}),
        ({"encoders_from": {"image": "a" * 64}}, {"encoders_from": {"image": "b" * 64}}),
        ({"modalities": ["image", "text"]}, {"modalities": ["text", "image"]}),
        ({"processes": 1}, {"processes": 2}),
    ],
)
def test_runs_that_started_or_were_trained_otherwise_are_not_averaged(trained, one, other):
    records = [trained_by(trained(0, value=0.9), **one), trained_by(trained(1, value=0.7), **other)]
    table = one_table(records)
    assert [row.seeds for row in table.rows] == [1, 1]
    (setting,) = {**one, **other}
    assert all(f"{setting}" in row.variant for row in table.rows)


def test_older_weights_were_trained_by_one_process(trained):
    (row,) = one_table([trained(0), trained_by(trained(1), processes=1)]).rows
    assert row.seeds == 2


def test_older_weights_are_of_the_best_epoch(trained):
    """`--keep` came later, and what it does by default is what was done before."""
    (row,) = one_table([trained(0), trained(1, options={"keep": "best"})]).rows
    assert row.seeds == 2
    assert len(one_table([trained(0), trained(1, options={"keep": "last"})]).rows) == 2


def test_variants_are_told_apart_by_few_settings_and_the_note_has_all(trained):
    def encoders(name, words):
        text = {"name": "gru", "options": {"vocabulary": [f"word{i}" for i in range(words)]}}
        return {"encoders": {"text": text, "image": {"name": name, "options": {}}}}

    table = one_table(
        [
            trained(0, value=0.9, config=encoders("cnn", 20)),
            trained(0, value=0.8, config=encoders("resnet18", 20), options={"epochs": 3}, day=1),
            trained(0, value=0.7, config=encoders("resnet18", 21), options={"epochs": 3}, day=2),
        ]
    )
    first, second, third = (row.variant for row in table.rows)
    assert first.startswith("encoders.image=cnn, encoders.text.vocabulary=#")
    assert second.startswith("encoders.image=resnet18, encoders.text.vocabulary=#")
    assert second != third
    assert len(third) < 80
    assert "encoders.image, epochs, encoders.text.vocabulary differ" in text_of(table)


def test_variants_of_one_name_are_ranked_against_each_other(trained):
    records = [trained(seed, value=0.9 + seed / 1000, config={"width": 96}, day=seed) for seed in range(3)]
    records += [trained(seed, value=0.5 + seed / 1000, day=5 + seed) for seed in range(3)]
    assert [(row.rank, row.label) for row in one_table(records).rows] == [
        (1, "film (width=96)"),
        (2, "film (width=64)"),
    ]


def test_where_and_on_how_many_threads_it_was_trained_does_not_matter(trained):
    machines = [{}, {"threads": 2}, {"device": "cuda"}, {"workers": 4}, {"log_to": ["tensorboard"]}]
    (row,) = one_table([trained(seed, options=options) for seed, options in enumerate(machines)]).rows
    assert row.seeds == 5


def test_the_order_is_the_same_however_records_come(film, trained, film_values):
    records = [
        *film,
        *(trained(seed, "sum", film_values[seed], day=10 + seed) for seed in range(5)),
        trained(0, "concat"),
    ]
    texts = {FORMATS["json"](build_tables(order, show="seeds")) for order in (records, records[::-1])}
    assert len(texts) == 1


def test_only_comparable_runs_are_averaged(trained):
    tables = build_tables([trained(0), trained(1, dataset={"split": "val"})], show="seeds")
    assert [[row.seeds for row in table.rows] for table in tables] == [[1], [1]]


def test_the_ordinary_table_tells_of_hidden_seeds(film, trained):
    (table,) = build_tables(film)
    assert "4 earlier runs are not shown" in text_of(table)
    assert "--seeds averages those of different training seeds" in text_of(table)
    (table,) = build_tables([trained(0, day=0), trained(0, day=1)])
    assert table.hidden == 1
    assert "--seeds" not in text_of(table)
    (table,) = build_tables(film, show="all")
    assert table.hidden == 0
