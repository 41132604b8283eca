"""`mmbench compare --task ... --models ...`: one command from names to a table."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmbench.cli import main
from mmbench.cli.compare_trials import Asked
from mmbench.cli.trial_lines import clock
from mmbench.record.store import Store
from mmbench.registry import KINDS, registry

CONTEST = Path(__file__).parents[1] / "engine" / "contest.py"
PLUGIN = ("--plugin", str(CONTEST))
QUICK = ("--limit", "30", "--seeds", "1", "--no-floors")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty working directory, and a registry that forgets what plugin files register."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "files", [])
    before = {kind: set(registry.names(kind)) for kind in KINDS}
    yield tmp_path
    for kind in KINDS:
        for name in set(registry.names(kind)) - before[kind]:
            registry.unregister(kind, name)


def test_from_names_to_a_table_and_then_from_what_is_stored(work, capsys):
    """The runs are apart from those of a leaderboard; a model that fails is told, and the table is of the others."""
    arguments = ["compare", "--task", "contest", "--models", "contest-ready,contest-counts", *QUICK, *PLUGIN, "--json"]
    assert main([*arguments, "--jobs", "2"]) == 0
    first = capsys.readouterr()
    table = json.loads(first.out)
    assert table["baseline"].startswith("contest-ready")
    assert [row["model"] for row in table["rows"]].count("contest-counts") == 1
    lines = first.err.splitlines()
    assert lines[0] == "2 trials, 0 stored; to do: 1 training and 2 evaluations"
    assert [line.rpartition(";")[0] for line in lines[1:]] == [
        "trained contest-counts (1 of 1",
        "evaluated contest-ready (1 of 2",
        "evaluated contest-counts (2 of 2",
    ]
    assert main(arguments) == 0
    second = capsys.readouterr()
    assert second.out == first.out
    assert second.err == "2 trials, 2 stored; to do: nothing\n"
    assert not (work / "results").exists()
    kept = {run.model.name: run.settings["keep_scores"] for _, run in Store(work / "trials").find([work / "trials"])}
    assert kept == {"contest-ready": True, "contest-counts": True}
    assert main(["leaderboard", "trials", "--json"]) == 0
    (board,) = json.loads(capsys.readouterr().out)["tables"]
    assert {row["model"] for row in board["rows"]} == {"contest-ready", "contest-counts"}
    arguments[4] += ",contest-fails"
    assert main(arguments) == 4
    third = capsys.readouterr()
    assert json.loads(third.out)["rows"] == table["rows"]
    assert third.err.splitlines()[-2:] == [
        "failed: contest-fails: planted: this model cannot be made",
        "error: the table is of the others: contest-fails failed",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to compare: give the folders of at least two runs, or --task and --models"),
        (["--task", "vqa"], "nothing to compare: give the folders of at least two runs, or --task and --models"),
        (
            ["--task", "vqa", "--models", "film,,sum"],
            "--models expects names with a comma between them, not 'film,,sum'",
        ),
        (["--task", "vqa", "--models", "film,smu"], "unknown model 'smu'; did you mean 'sum'"),
        (["--task", "vqa", "--models", "film", "--baseline", "concat"], "unknown --baseline among the models 'concat'"),
        (["--task", "vqa", "--models", "film", "--metric", "acuracy"], "unknown metric of easy-vqa 'acuracy'; did you"),
        (["--task", "vqa", "--models", "film", "--budget", "equal"], "--budget expects equal-width, equal-width=D or"),
        (["--task", "vqa", "--models", "film", "--seeds", "0"], "--seeds must be at least 1, not 0"),
        (["--task", "vqa", "--models", "film", "--jobs", "0"], "--jobs must be at least 1, not 0"),
        (["--task", "vqa", "--models", "film", "--train-limit", "0"], "--train-limit must be at least 1, not 0"),
        (
            ["--task", "vqa", "--models", "question-prior", "--no-floors"],
            "there is nothing to compare question-prior with: name another model, or leave out --no-floors",
        ),
        (
            ["--task", "vqa", "--models", "film,sum", "--ensemble", "mean", "--members", "film, smu"],
            "unknown --members among the models 'smu'; did you mean 'sum'",
        ),
        (
            ["--task", "vqa", "--models", "film,sum", "--ensemble", "mean,weighted=1:2:3"],
            "--ensemble weighted=1:2:3 has 3 weights for 2 models",
        ),
        (
            ["a", "b", "--epochs", "3", "--no-floors"],
            "--no-floors, --epochs: runs that exist are compared as they are; give RUN..., or --task and --models",
        ),
    ],
)
def test_refused_before_anything_runs(work, capsys, arguments, message):
    assert main(["compare", *arguments]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {message}")
    assert not any(work.rglob("trial.json"))


def test_every_seed_may_be_a_row_of_its_own(work, capsys):
    given = ["--task", "contest", "--models", "contest-ready,concat", "--seeds", "2", "--limit", "30", "--no-floors"]
    given += ["--train-limit", "90", "--epochs", "1", "--baseline", "concat", "--all", "--json", *PLUGIN]
    assert main(["compare", *given]) == 0
    table = json.loads(capsys.readouterr().out)
    labels = {row["label"] for row in table["rows"]}
    assert labels == {"contest-ready", "concat (seed=0)", "concat (seed=1)"}
    assert table["baseline"] == "concat (seed=0)"


def test_nothing_is_left_to_compare(work, capsys):
    arguments = ["--task", "contest", "--models", "contest-fails,contest-ready", *QUICK, *PLUGIN]
    assert main(["compare", *arguments]) == 4
    assert capsys.readouterr().err.splitlines()[-1] == "error: there is nothing to compare: contest-fails failed"


def test_durations():
    assert [clock(seconds) for seconds in (0.4, 59.6, 102, 3723)] == ["0:00", "1:00", "1:42", "1:02:03"]


def test_help_imports_nothing_heavy():
    code = "import sys; from mmbench.cli import main; main(['compare', '--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_ensembles_are_made_of_the_named_models_that_have_runs_and_of_no_floors():
    asked = Asked(task="vqa", models="film, sum,mean,film")
    assert asked.members(["majority", "mean", "film", "film", "text-only"]) == ["film", "mean"]
