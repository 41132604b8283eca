"""`mmbench compare --ensemble`: rows made of stored predictions."""

import json

import numpy as np
import pytest

from mmbench.cli import main
from mmbench.engine.combination import parse_combinations
from mmbench.errors import UsageError
from mmbench.leaderboard.compare import compare_runs
from mmbench.leaderboard.stored_run import find_runs

RNG = np.random.default_rng(1)
FIRST, SECOND = (np.log(RNG.dirichlet([2, 1], size=40)).astype(np.float32) for _ in range(2))
"""Log-probabilities of yes, which is right, and no."""


def answers(scores):
    return [int(yes > no) for yes, no in scores]


def probabilities(scores):
    return np.exp(np.asarray(scores, dtype=np.float64))


@pytest.fixture
def save(stored):
    def store(model, scores, **rest):
        return stored(model, answers(scores), scores=scores.tolist(), **rest)

    return store


def compare(folders, ensemble, **options):
    found = compare_runs(find_runs(folders), combinations=parse_combinations(ensemble), **options)
    return found, {entry.row.label: entry for entry in found.entries}


def value(entry, metric="accuracy"):
    return entry.row.metrics[metric].value


def test_mean_and_product_are_scored_by_the_task(save):
    found, rows = compare([save("film", FIRST), save("concat", SECOND)], "mean,product")
    mean = probabilities(FIRST) + probabilities(SECOND)
    product = probabilities(FIRST) * probabilities(SECOND)
    assert value(rows["mean(film, concat)"]) == np.mean(mean[:, 0] > mean[:, 1])
    assert value(rows["product(film, concat)"]) == np.mean(product[:, 0] > product[:, 1])
    entry = rows["mean(film, concat)"]
    assert entry.gap.difference.interval.value == pytest.approx(value(entry) - value(rows["film"]))
    assert entry.row.metrics["accuracy"].low < value(entry) < entry.row.metrics["accuracy"].high
    assert (entry.row.parameters, entry.row.samples_per_s, entry.flops_per_sample) == (None, None, None)
    assert dict(found.made)["mean(film, concat)"].startswith("from the stored predictions of film, concat")


def test_an_ensemble_reads_what_its_members_read(save):
    runs = [save("text-only", FIRST, reads=("text",)), save("image-only", SECOND, reads=("image",))]
    _, rows = compare(runs, "mean")
    assert rows["mean(text-only, image-only)"].reads == ("text", "image")
    assert rows["mean(text-only, image-only)"].gain is not None
    _, rows = compare([*runs, save("given", FIRST, reads=None)], "mean")
    assert rows["mean(text-only, image-only, given)"].reads is None


def test_labels_and_samples_may_be_in_any_order(save):
    plain = [save("film", FIRST), save("concat", SECOND)]
    _, expected = compare(plain, "mean,weighted=1:3")
    order = RNG.permutation(40).tolist()
    turned = save("other", SECOND[:, ::-1], labels=["no", "yes"], order=order, record={"breakdowns": {}})
    _, rows = compare([plain[0], turned], "mean,weighted=1:3")
    for kind in ("mean", "weighted=1:3"):
        assert value(rows[f"{kind}(film, other)"]) == value(expected[f"{kind}(film, concat)"])


def test_a_vote_needs_no_scores_and_ties_go_to_the_earlier(stored):
    a, b, c = [1, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]
    runs = [stored(name, right) for name, right in (("a", a), ("b", b), ("c", c))]
    _, rows = compare(runs, "vote")
    assert value(rows["vote(a, b, c)"]) == 0.5  # by hand: 0 1 1 0
    _, rows = compare(runs, "vote", members=["c", "a"])
    assert value(rows["vote(c, a)"]) == value(rows["c"])


def test_there_is_one_ensemble_for_each_seed_and_floors_are_in_all(save):
    runs = [save("film", FIRST, seed=0), save("film", SECOND, seed=1)]
    runs += [save("concat", SECOND, seed=1), save("concat", FIRST, seed=0), save("floor", FIRST, seed=0)]
    _, rows = compare(runs, "mean")
    entry = rows["mean(film, concat, floor)"]
    assert [run.model.config["training"]["options"]["seed"] for run in entry.row.runs] == [0, 1]
    assert entry.row.runs[0].metrics["accuracy"].value == np.mean(answers(FIRST))
    assert len(entry.gap.pairs) == 2


def test_a_sample_that_failed_in_a_member_is_not_scored(stored, save):
    broken = [None, *answers(SECOND)[1:]]
    scores = [None, *SECOND[1:].tolist()]
    _, rows = compare([save("film", FIRST), stored("concat", broken, scores=scores)], "mean,vote")
    entry = rows["mean(film, concat)"]
    assert entry.row.metrics["accuracy"].n == 39
    assert [failure.reason for failure in entry.row.runs[0].failures] == ["concat: decode: broken"]
    assert rows["vote(film, concat)"].gap.unscored == 1


def test_a_product_that_rules_out_all_labels_is_no_answer(stored):
    sure = [[0.0, -np.inf], [0.0, -np.inf]]
    other = [[-np.inf, 0.0], [0.0, -np.inf]]
    runs = [stored("a", [1, 1], scores=sure), stored("b", [0, 1], scores=other)]
    _, rows = compare(runs, "product")
    row = rows["product(a, b)"].row
    assert (row.failures, row.metrics["accuracy"].n, row.metrics["accuracy"].value) == (1, 1, 1.0)


def test_breakdowns_are_those_of_the_task(save):
    _, rows = compare([save("film", FIRST), save("concat", SECOND)], "mean")
    (run,) = rows["mean(film, concat)"].row.runs
    assert set(run.breakdowns["question_type"]) == {"a", "b"}


def test_without_scores_it_is_told_how_to_get_them(stored, save):
    with pytest.raises(UsageError, match=r"concat \(.*\) has no stored scores.*mmbench eval --keep-scores"):
        compare([save("film", FIRST), stored("concat", answers(SECOND))], "mean")


def test_other_labels_are_refused(save):
    runs = [save("film", FIRST), save("concat", SECOND, labels=["yes", "nope"])]
    with pytest.raises(UsageError, match=r"film .* knows 'no', concat .* does not"):
        compare(runs, "mean")


def test_unknown_members_and_too_few_are_refused(save):
    runs = [save("film", FIRST), save("concat", SECOND)]
    with pytest.raises(UsageError, match="did you mean 'film'"):
        compare(runs, "mean", members=["flim", "concat"])
    with pytest.raises(UsageError, match="at least two models, not 1"):
        compare(runs, "mean", members=["film"])
    with pytest.raises(UsageError, match="has 3 weights for 2 models"):
        compare(runs, "weighted=1:2:3")


def test_a_metric_of_probabilities_is_none_for_a_vote(save, metric_of):
    runs = [save("film", FIRST, nll=metric_of(0.1)), save("concat", SECOND, nll=metric_of(0.2))]
    with pytest.raises(UsageError, match="'nll' needs probabilities"):
        compare(runs, "vote", metric="nll")


def test_the_command_adds_rows(save, capsys):
    runs = [save("film", FIRST), save("concat", SECOND), save("gated", SECOND)]
    assert main(["compare", *map(str, runs), "--ensemble", "mean", "--members", "film,concat", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert "mean(film, concat)" in {row["label"] for row in data["rows"]}
    assert list(data["ensembles"]) == ["mean(film, concat)"]
