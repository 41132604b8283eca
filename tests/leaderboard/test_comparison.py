"""`mmbench compare` over stored runs: rows, pairs of seeds, differences and gains."""

from statistics import mean

import numpy as np
import pytest

from mmbench.errors import UsageError
from mmbench.leaderboard.compare import compare_runs
from mmbench.leaderboard.stored_run import find_runs
from mmbench.metrics.accuracy import Accuracy
from mmbench.stats.holm import holm
from mmbench.stats.paired import paired_difference, paired_differences

RNG = np.random.default_rng(0)
BASE = RNG.integers(2, size=60).tolist()
BETTER = [int(right or RNG.random() < 0.5) for right in BASE]
OTHER = RNG.integers(2, size=60).tolist()


def compare(*folders, **options):
    return compare_runs(find_runs(folders), **options)


def entries(found):
    return {entry.row.label: entry for entry in found.entries}


def columns(*answers):
    return [{"correct": np.array(each)} for each in answers]


def test_difference_is_the_paired_one_and_holm_corrects_over_rows(stored):
    groups = [f"image {i // 3}" for i in range(60)]
    runs = [stored(name, answers, groups=groups) for name, answers in (("c", BASE), ("f", BETTER), ("g", OTHER))]
    found = compare(*runs)
    assert found.baseline == "c"
    ours, theirs = {"f": columns(BETTER), "g": columns(OTHER)}, columns(BASE)
    expected = paired_differences(Accuracy(), ours, theirs, np.array(groups, dtype=object))
    by_label = entries(found)
    for name, difference in expected.items():
        assert by_label[name].gap.difference == difference
    corrected = holm([difference.p_value for difference in expected.values()])
    assert [by_label[name].gap.p_holm for name in expected] == corrected
    assert by_label["c"].gap is None
    alone = paired_difference(Accuracy(), columns(BETTER)[0], theirs[0], np.array(groups, dtype=object))
    assert by_label["f"].gap.difference.interval.value == pytest.approx(alone.interval.value)


def test_order_of_samples_makes_no_difference(stored):
    order = RNG.permutation(60).tolist()
    base = stored("concat", BASE)
    straight, turned = compare(base, stored("film", BETTER)), compare(base, stored("film", BETTER, order=order))
    assert entries(straight)["film"].gap.difference == entries(turned)["film"].gap.difference


def test_rows_are_means_over_seeds_and_runs_of_a_seed_stand_side_by_side(stored):
    film = [BETTER, OTHER, BASE]
    runs = [stored("concat", answers, seed=seed) for seed, answers in enumerate([BASE, BETTER, OTHER])]
    runs += [stored("film", film[seed], seed=seed) for seed in (2, 0, 1)]
    found = compare(*runs)
    gap = entries(found)["film"].gap
    assert [(len(row.runs), row.metrics["accuracy"].method) for row in found.table.rows] == [(3, "student-t")] * 2
    assert gap.pairs == (("run-4", "run-0"), ("run-5", "run-1"), ("run-3", "run-2"))
    ours, theirs = {"film": columns(*film)}, columns(BASE, BETTER, OTHER)
    assert gap.difference == paired_differences(Accuracy(), ours, theirs, None)["film"]
    assert gap.note == ""


def test_a_single_run_stands_beside_each_seed_and_keeps_its_own_interval(stored):
    floor = stored("majority", OTHER, reads=(), low=0.2, high=0.6)
    runs = [stored("concat", answers, seed=seed) for seed, answers in enumerate([BASE, BETTER])]
    found = compare(*runs, floor)
    entry = entries(found)["majority"]
    assert entry.gap.pairs == (("run-0", "run-1"), ("run-0", "run-2"))
    assert entry.gap.difference.interval.value == pytest.approx(mean(OTHER) - (mean(BASE) + mean(BETTER)) / 2)
    metric = entry.row.metrics["accuracy"]
    assert (metric.low, metric.high, metric.method) == (0.2, 0.6, "wilson")
    assert entry.gap.note == "a single training (seed 0) stands beside all seeds"
    untrained = entries(compare(*runs, stored("given", OTHER, seed=None)))["given"]
    assert (len(untrained.gap.pairs), untrained.gap.note) == (2, "")


@pytest.mark.parametrize(
    ("seeds", "pairs", "note"),
    [
        ((1, 2, 3), [("run-2", "run-1")], "by the seeds that all have (1)"),
        ((5, 6), [("run-2", "run-0"), ("run-3", "run-1")], "no seed in common, so the first 2 runs of each"),
    ],
)
def test_other_seeds_are_paired_as_far_as_they_go_and_it_is_told(stored, seeds, pairs, note):
    runs = [stored("concat", BASE, seed=seed) for seed in (0, 1)]
    runs += [stored("film", BETTER, seed=seed) for seed in seeds]
    gap = entries(compare(*runs))["film"].gap
    assert list(gap.pairs) == pairs
    assert note in gap.note


def test_samples_that_one_run_could_not_score_are_left_out_of_its_pair_only(stored):
    broken = [None, None, *OTHER[2:]]
    runs = [stored("concat", BASE), stored("film", BETTER), stored("gated", broken)]
    found = entries(compare(*runs))
    assert (found["gated"].gap.unscored, found["gated"].gap.difference.interval.n) == (2, 58)
    assert found["gated"].gap.difference.interval.value == pytest.approx(mean(OTHER[2:]) - mean(BASE[2:]))
    assert (found["film"].gap.unscored, found["film"].gap.difference.interval.n) == (0, 60)


def test_no_sample_in_common_leaves_no_difference(stored):
    first, second = [None, *BASE[1:2]], [1, None]
    gap = entries(compare(stored("concat", first), stored("film", second)))["film"].gap
    assert (gap.difference, gap.p_holm, gap.unscored) == (None, None, 2)


def test_gain_is_over_the_best_row_that_reads_one_modality(stored):
    text, image = [1] * 30 + [0] * 30, [1] * 20 + [0] * 40
    runs = [
        stored("film", [1] * 45 + [0] * 15),
        stored("text-only", text, reads=("text",)),
        stored("image-only", image, reads=("image",)),
        stored("majority", image, reads=()),
        stored("api", image, reads=None),
    ]
    found = compare(*runs)
    by_label = entries(found)
    assert found.best_single == "text-only"
    assert by_label["film"].gain.difference.interval.value == pytest.approx(0.25)
    assert by_label["film"].gain.p_holm is None
    assert [by_label[name].gain for name in ("text-only", "image-only", "majority", "api")] == [None] * 4
    assert (by_label["majority"].reads, by_label["api"].reads) == ((), None)


def test_best_single_of_a_metric_where_less_is_better(stored, metric_of):
    values = {"film": 0.1, "text-only": 0.3, "image-only": 0.5}
    runs = []
    for name, value in values.items():
        reads = (name.removesuffix("-only"),) if "-" in name else ("image", "text")
        lower = {"accuracy": metric_of(value, higher_is_better=False)}
        record = {"metrics": {name: _value(each) for name, each in lower.items()}}
        runs.append(stored(name, BASE, reads=reads, record=record))
    found = compare(*runs)
    assert found.best_single == "text-only"
    assert [row.label for row in found.table.rows] == list(values)


def _value(metric):
    from mmbench.record.schema import MetricValue

    return MetricValue.model_validate(metric)


def test_baseline_by_name_and_each_run_as_a_row(stored):
    runs = [stored("film", BASE, seed=0), stored("film", BETTER, seed=1), stored("concat", OTHER, seed=0)]
    found = compare(*runs, baseline="film (seed=1)", every_run=True)
    assert found.baseline == "film (seed=1)"
    assert set(entries(found)) == {"film (seed=0)", "film (seed=1)", "concat"}
    assert compare(*runs, baseline="concat").baseline == "concat"


def test_of_one_model_and_seed_the_latest_run_counts(stored):
    runs = [stored("film", BETTER, day=2), stored("film", BASE, day=1), stored("concat", OTHER)]
    found = compare(*runs, baseline="concat")
    assert entries(found)["film"].row.metrics["accuracy"].value == mean(BETTER)
    assert found.table.hidden == 1


def test_differences_do_not_depend_on_the_order_in_which_runs_are_given(stored):
    film, concat = stored("film", BETTER), stored("concat", BASE)
    one = entries(compare(film, concat, baseline="concat"))["film"].gap.difference
    assert one == entries(compare(concat, film))["film"].gap.difference


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"baseline": "concta"}, "did you mean 'concat'?"),
        ({"metric": "acuracy"}, "did you mean 'accuracy'"),
        ({"metric": "wer"}, "unknown metric in these records: 'wer'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(stored, options, said):
    runs = [stored("concat", BASE), stored("film", BETTER)]
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        compare(*runs, **options)


def test_a_model_made_in_several_ways_is_no_baseline_by_its_name(stored):
    runs = [stored("film", BASE, config={"width": width}) for width in (64, 96)]
    with pytest.raises(UsageError, match=r"one of several rows; give one of film \(width=64\), film \(width=96\)"):
        compare(*runs, baseline="film")


def test_one_row_is_nothing_to_compare(stored):
    runs = [stored("film", BASE, seed=0), stored("film", BETTER, seed=1)]
    with pytest.raises(UsageError, match="all runs are its 2 training seeds; --all makes a row of each run"):
        compare(*runs)
    with pytest.raises(UsageError, match="it is the only run"):
        compare(runs[0])


def test_a_run_given_twice_is_refused(stored):
    film, concat = stored("film", BASE), stored("concat", BETTER)
    with pytest.raises(UsageError, match="run run-0 is given twice"):
        compare(film, concat, film / "record.json")
    with pytest.raises(UsageError, match="given twice"):
        compare(film.parents[3], film)


def test_a_metric_that_one_run_lacks_is_refused(stored, metric_of):
    runs = [stored("film", BASE, wer=metric_of(0.1)), stored("concat", BETTER)]
    with pytest.raises(UsageError, match=r"concat \(.*\) has no wer; it has accuracy"):
        compare(*runs, metric="wer")


def test_the_baseline_is_the_later_run_of_the_same_recipe(stored):
    def film(width, day):
        return stored("film", BETTER, config={"width": width}, day=day)

    found = compare(film(96, 1), film(64, 2), film(96, 3))
    assert found.baseline == "film (width=96)"


def test_flops_and_latency_are_of_the_runs_with_the_most_thorough_cost_passes(stored):
    def film(seed, level, cost):
        return stored("film", BETTER, seed=seed, cost=cost, record={"settings": {"cost": level}})

    runs = [film(0, "quick", {}), film(1, "off", {"flops": None, "latency": None}), film(2, "full", {"flops": None})]
    entry = entries(compare(*runs[:2], stored("concat", BASE)))["film"]
    assert (entry.flops_per_sample, entry.latency_s) == (1e6, 0.004)
    entry = entries(compare(*runs, stored("concat", BASE)))["film"]
    assert (entry.flops_per_sample, entry.latency_s) == (None, 0.004)


def test_it_carries_how_many_swaps_and_resamples_there_were(stored, monkeypatch):
    runs = [stored("concat", BASE), stored("film", [1] * 60), stored("text-only", OTHER, reads=("text",))]
    found = compare(*runs)
    assert (found.resamples, found.swaps) == ((9999,), 9999)
    monkeypatch.setattr(Accuracy, "resamples", 199)
    found = compare(*runs)
    assert (found.resamples, found.swaps) == ((199,), 199)
    assert entries(found)["film"].gain.difference.p_value is None
    few = compare(*(stored(name, right[:6]) for name, right in (("a", BASE), ("b", BETTER))))
    assert few.swaps is None
