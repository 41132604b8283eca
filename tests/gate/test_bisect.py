"""A bisection in a real repository whose commits differ by what the model takes."""

import json

import pytest

from mmbench.cli import main
from mmbench.cli.bisect_lines import told_step
from mmbench.gate.bisect import Step
from mmbench.record.gate import Change

WORDS = [
    "--model",
    "planted",
    "--task",
    "planted",
    "--plugin",
    "model.py",
    "--batch-size",
    "8",
    "--pairs",
    "1",
    "--most-pairs",
    "1",
]


@pytest.fixture
def history(tmp_path, monkeypatch, git, plant):
    """Commits of planted sides: `history({}, {"read_s": 0.006}, ...)` gives their names; the working directory."""
    top = tmp_path / "project"
    top.mkdir()
    monkeypatch.chdir(top)
    git(top, "init", "--quiet", "--initial-branch=main")

    def commit(*sides):
        names = []
        for number, planted in enumerate(sides):
            plant(top, **planted)
            git(top, "add", ".")
            git(top, "commit", "--quiet", "--allow-empty", "--message", f"number {number}")
            names.append(git(top, "rev-parse", "HEAD"))
        return names

    return commit


def test_the_first_slow_commit_is_found_past_one_that_does_not_run(history, capsys):
    slow = {"read_s": 0.006}
    names = history({}, {}, {"fails_to_open": True}, slow, slow)
    assert main(["bisect", *WORDS, "--good", names[0], "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    steps = {step["commit"]: step for step in found["steps"]}
    assert found["candidates"] in ([names[2], names[3]], [names[3]])
    assert next(iter(steps)) == names[4]  # first of all: is the bad one bad?
    assert steps[names[4]]["bad"] is True
    assert steps[names[4]]["confidence"] > 0.95
    assert 0.1 < found["threshold"] < 0.5
    if names[2] in steps:
        assert steps[names[2]]["reason"] == "RuntimeError: planted: it cannot be opened"
    assert f"{names[4][:10]}: +" in printed.err


def test_what_is_not_slower_has_no_first_bad_commit(history, capsys):
    names = history({}, {})
    assert main(["bisect", *WORDS, "--good", names[0], "--budget", "50%"]) == 2
    assert "--bad is not slower than --good by more than the budget: throughput " in capsys.readouterr().err


def test_a_bad_end_that_answers_otherwise_is_no_slower_one(history, capsys):
    names = history({}, {"wrong": 3})
    assert main(["bisect", *WORDS, "--good", names[0]]) == 4
    assert "error: --bad: answers otherwise than the good commit to 24 of 64 samples" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("read_s", "first", "why"),
    [
        (0.003, "inconclusive", "whether --bad is slower than --good is not certain"),
        (0.02, "the first bad commit is one of ", "the last step is not certain"),  # beyond doubt, so one pair tells
    ],
)
def test_one_pair_of_two_is_not_certain(history, capsys, read_s, first, why):
    names = history({}, {"read_s": read_s}, {"read_s": read_s})
    words = [word if word != "1" else "2" for word in WORDS]
    assert main(["bisect", *words, "--good", names[0], "--time-limit", "1"]) == 3
    printed = capsys.readouterr()
    assert "1 of 2 pairs were made in the time for it (--time-limit)" in printed.err
    assert printed.out.startswith(first)
    assert f"inconclusive: {why}; --most-pairs or --time-limit may help\n" in printed.out
    assert "next: git show" not in printed.out


def test_a_step_that_is_not_clear_is_told_as_such():
    change = Change(value=0.03, low=0.01, high=0.05, level=0.95, method="", pairs=3, blocks=60)
    step = Step("a" * 40, change, None, None, "the interval straddles the budget")
    assert told_step(step) == "aaaaaaaaaa: +3.0% [+1.0%, +5.0%], the interval straddles the budget"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--good", "main"], "--good main is not before --bad HEAD: there is no commit between them"),
        (["--good", "mian"], "unknown git reference 'mian'; did you mean 'main'?"),
        (
            ["--good", "main", "--metric", "memory"],
            "a bisection follows one timing: --metric throughput, latency, data",
        ),
    ],
)
def test_mistakes_are_refused(history, capsys, words, message):
    history({})
    assert main(["bisect", *WORDS, *words]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_good_commit_beside_the_way_is_refused(history, git, capsys, tmp_path):
    history({}, {})
    top = tmp_path / "project"
    git(top, "checkout", "--quiet", "-b", "side", "HEAD~1")
    history({"read_s": 0.001})
    git(top, "checkout", "--quiet", "main")
    assert main(["bisect", *WORDS, "--good", "side"]) == 2
    assert "is not on the way of first parents that leads to" in capsys.readouterr().err


def test_outside_of_a_repository_it_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["bisect", *WORDS, "--good", "main"]) == 2
    assert capsys.readouterr().err == "error: a bisection needs a git repository, and this is none\n"
