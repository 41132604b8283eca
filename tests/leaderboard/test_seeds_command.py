"""`mmbench leaderboard --seeds` in every format, against scipy and numpy."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from scipy import stats
from typer.testing import CliRunner

from mmbench.cli.leaderboard import leaderboard
from mmbench.errors import UsageError
from mmbench.leaderboard.formats import FORMATS

app = typer.Typer()
app.command()(leaderboard)


def run(*arguments):
    """Output of the verb; its errors are raised."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def results(save, film, trained):
    save(*film, *(trained(seed, "sum", 0.6 + seed / 50, config={"width": 96}) for seed in range(2)))
    save(trained(0, "sum", 0.5, day=9))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_shows_them(results, film_values, name):
    text = run("--seeds", "--format", name).replace(r"\_", "_")
    assert all(label in text for label in ("film", "width=96", "width=64"))
    if name not in ("csv", "json"):
        low, high = stats.t.interval(0.95, 4, loc=np.mean(film_values), scale=stats.sem(film_values))
        assert f"[{low:.4f}, {high:.4f}]" in text
        assert f"{np.std(film_values, ddof=1):.4f}" in text
        assert "95" in text
        assert "training seeds" in " ".join(text.split())


def test_json_has_the_values_of_each_seed(results, film_values):
    (table,) = json.loads(run("--seeds", "--json"))["tables"]
    film, wide, narrow = table["rows"]
    assert [seed["seed"] for seed in film["seeds"]] == [0, 1, 2, 3, 4]
    assert [seed["metrics"]["accuracy"]["value"] for seed in film["seeds"]] == film_values
    assert film["seeds"][0]["metrics"]["accuracy"]["low"] == pytest.approx(film_values[0] - 0.2)
    assert {seed["run_id"] for seed in film["seeds"]} == {
        path.parent.name for path in Path().rglob("film/*/record.json")
    }
    assert film["deviations"]["accuracy"] == pytest.approx(np.std(film_values, ddof=1))
    assert film["metrics"]["accuracy"]["method"] == "student-t"
    assert (film["variant"], wide["variant"], narrow["variant"]) == ("", "width=96", "width=64")
    assert narrow["deviations"] == {"accuracy": None}
    assert (table["rows"][0]["rank"], film["parameters"]) == (1, 123456)


def test_csv_has_a_column_for_each_deviation(results, film_values):
    film, wide, narrow = csv.DictReader(io.StringIO(run("--seeds", "--format", "csv")))
    assert (film["seeds"], wide["seeds"], narrow["seeds"]) == ("5", "2", "1")
    assert float(film["wer_sd"]) == pytest.approx(np.std(film_values, ddof=1))
    assert (narrow["accuracy_sd"], narrow["accuracy_low"], narrow["variant"]) == ("", "", "width=64")


def test_all_and_seeds_exclude_each_other(results):
    with pytest.raises(UsageError, match="--all and --seeds exclude each other"):
        run("--all", "--seeds")


def test_filters_and_sorting_work_with_it(results):
    (table,) = json.loads(run("--seeds", "--json", "--model", "film", "--sort", "wer", "--metric", "wer"))["tables"]
    (row,) = table["rows"]
    assert (table["sort"], list(row["metrics"]), list(row["deviations"])) == ("wer", ["wer"], ["wer"])
