"""`mmbench gate` as a command: exit codes, reports, what is refused, and what is left behind when it is ended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer
from xml.etree import ElementTree

import pytest
from filelock import FileLock

from mmbench.cli import main
from mmbench.errors import UsageError
from mmbench.gate.floor import default_path, load_floor, save_floor
from mmbench.gate.workload import Workload
from mmbench.record.gate import Floor, GateReport

WORDS = ["--model", "planted", "--task", "planted", "--plugin", "model.py", "--batch-size", "8"]
COMMAND = """
import signal, sys
from mmbench.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where the tests run in the background
sys.exit(main())
"""
WORKLOAD = Workload("planted", "planted", plugins=("model.py",), batch_size=8)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working directory of its own, with its own cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return tmp_path


def test_a_regression_has_exit_code_1_and_every_report(work, plant, capsys):
    plant(work / "a base")
    plant(work / "a head", read_s=0.006)
    arguments = [
        "gate",
        *WORDS,
        "--base",
        "a base",
        "--head",
        "a head",
        "--budget",
        "5%",
        "--pairs",
        "1",
        "--most-pairs",
        "1",
    ]
    reports = ["--report", "junit=gate.xml", "--report", "json=gate.json", "--report", "history=history.csv"]
    assert main([*arguments, *reports]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("regression throughput +")
    assert "planted on planted: head a head against base a base" in shown.out
    [where] = [line for line in shown.out.splitlines() if line.startswith("slower: ")]
    assert "the model (" in where  # one pair on a busy machine may name a place beside it
    assert "read" in where
    assert "mmbench gate --calibrate" in shown.out
    assert [line.split(": ")[-1] for line in shown.err.splitlines()] == ["gate.xml", "gate.json", "history.csv"]
    assert ElementTree.parse("gate.xml").find(".//failure") is not None  # noqa: S314  # our own
    report = GateReport.model_validate_json(Path("gate.json").read_text(encoding="utf-8"))
    assert (report.verdict, report.findings[0].budget) == ("regression", 0.05)
    assert len(Path("history.csv").read_text(encoding="utf-8").splitlines()) == 2
    assert Path("summary.md").read_text(encoding="utf-8").startswith("**mmbench gate: regression.**")


OWN = """
import time

from torch import nn


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(192, 10)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, image):
        time.sleep({seconds})
        return self.head(image.flatten(1))
"""


def test_a_model_in_a_file_of_each_side(work, capsys):
    for side, seconds in (("base", 0.002), ("head", 0.006)):
        (work / side).mkdir()
        (work / side / "own.py").write_text(OWN.format(seconds=seconds), encoding="utf-8")
    words = ["--model", "own.py:Own", "--task", "image_classification", "--limit", "128", "--batch-size", "16"]
    pairs = ["--pairs", "1", "--most-pairs", "1", "--budget", "10%", "--json"]
    assert main(["gate", *words, "--base", "base", "--head", "head", *pairs]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "regression"
    assert report["findings"][0]["change"]["value"] > 0.5
    assert report["workload"]["model"] == "own.py:Own"
    assert main(["gate", *words, "--base", "head", "--head", "base", *pairs]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "improvement"


PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "planted-project"
version = "0.1"
[tool.setuptools]
packages = ["planted_project"]
"""

PAUSE = """
try:
    from planted_project.pause import SECONDS
except ImportError:
    SECONDS = 0.002
"""

EDITABLE = """
import sys
from importlib.util import spec_from_file_location


class Editable:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return spec_from_file_location(name, {file!r}) if name == "planted_project.pause" else None


sys.meta_path.append(Editable)
"""


def test_a_project_is_built_and_each_side_imports_its_own(work, git, capsys, monkeypatch):
    """Though the environment has it in an editable installation, from which base could have what only head has."""
    project = work / "project"
    package = project / "planted_project"
    package.mkdir(parents=True)
    (project / "pyproject.toml").write_text(PROJECT)
    (package / "__init__.py").touch()
    (package / "net.py").write_text(PAUSE + OWN.format(seconds="SECONDS"))
    (project / "own.py").write_text("from planted_project.net import Own\n")
    git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "one")
    (package / "pause.py").write_text("SECONDS = 0.006\n")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "two")
    (work / "environment").mkdir()
    (work / "environment" / "sitecustomize.py").write_text(EDITABLE.format(file=str(package / "pause.py")))
    monkeypatch.setenv("PYTHONPATH", str(work / "environment"))
    monkeypatch.chdir(project)
    words = ["--model", "own.py:Own", "--task", "image_classification", "--limit", "128", "--batch-size", "16"]
    pairs = ["--pairs", "1", "--most-pairs", "1", "--json"]
    assert main(["gate", *words, "--base", "HEAD~1", "--head", "HEAD", *pairs]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "regression"
    assert report["findings"][0]["change"]["value"] > 0.5
    assert [report[side]["commit"] for side in ("base", "head")] == [
        git(project, "rev-parse", name) for name in ("HEAD~1", "HEAD")
    ]
    assert len(git(project, "worktree", "list").splitlines()) == 1


def test_a_metric_that_a_plugin_brings(work, plant):
    """In a process of its own, which is to load the plugin."""
    for side, wrong in (("base", 0), ("head", 3)):
        plugin = plant(work / side, brings="share_right", wrong=wrong) / "model.py"
        plugin.write_text(f"import beside_it\n{plugin.read_text()}")
        plugin.with_name("beside_it.py").touch()
    words = [*WORDS, "--base", "base", "--head", "head", "--metric", "share_right", "--json"]
    command = [sys.executable, "-m", "mmbench", "gate", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["metric"], finding["base"], finding["head"]) == ("share_right", 1.0, 0.625)


def test_a_floor_above_the_budget_is_inconclusive(work, plant, capsys):
    plant(work / "same")
    path = default_path(WORKLOAD)
    assert path.is_relative_to(work / "cache" / "mmbench" / "gate")
    runner, _, key = path.stem.partition("-")
    floor = Floor(
        runner=runner,
        workload=key,
        created="2026-11-27T00:00:00Z",
        pairs=3,
        most_pairs=10,
        floors={"throughput": 0.9},
    )
    save_floor(floor, path)
    assert load_floor(path, WORKLOAD, 10).floors == pytest.approx(floor.floors)
    with pytest.raises(UsageError, match="holds the noise floor of another workload: make it again with --calibrate"):
        load_floor(path, Workload("other", "planted"), 10)
    words = ["gate", *WORDS, "--base", "same", "--head", "same", "--pairs", "1", "--json"]
    assert main(words) == 3
    report = json.loads(capsys.readouterr().out)
    assert report["reason"].endswith("the noise floor of this runner, 90.0%, exceeds the budget, 3.0%")
    save_floor(floor.model_copy(update={"runner": "another"}), work / "theirs.json")
    assert main([*words, "--floor", "theirs.json", "--budget", "400%"]) == 0
    assert "theirs.json holds the noise floor of another runner; it is not used" in capsys.readouterr().err
    path.write_text("{}")
    assert main(words) == 2
    assert "holds no noise floor: make it again with --calibrate" in capsys.readouterr().err


def test_a_floor_is_measured_kept_and_used(work, plant, capsys):
    plant(work / "same")
    assert main(["gate", *WORDS, "--head", "same", "--calibrate", "--time-limit", "1", "--json"]) == 0
    shown = capsys.readouterr()
    floor = json.loads(shown.out)
    assert floor["pairs"] == 1  # there is no time for more
    assert "note: 1 of 12 pairs were made in the time for it (--time-limit), so that the floor is" in shown.err
    assert floor["floors"]["throughput"] > 0
    assert default_path(WORKLOAD).is_file()
    words = ["--base", "same", "--head", "same", "--pairs", "1", "--most-pairs", "1", "--budget", "0", "--json"]
    assert main(["gate", *WORDS, *words]) == 3
    report = json.loads(capsys.readouterr().out)
    assert report["reason"].endswith(" exceeds the budget, 0.0%")
    assert "the noise floor of this runner, " in report["reason"]


def test_a_base_that_does_not_build(work, plant, git, capsys):
    """A reference of a repository with a space in its path; head, which builds, is never started."""
    project = plant(work / "a project")
    git(project, "init", "--quiet", "--initial-branch=main")
    (project / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'nothing_here'\n")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "one")
    (project / "pyproject.toml").unlink()
    os.chdir(project)
    assert main(["gate", *WORDS, "--base", "main"]) == 4
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert error.startswith("error: base: does not build: ")
    assert "nothing_here" in error
    assert len(git(project, "worktree", "list").splitlines()) == 1


def test_a_head_that_does_not_build_is_its_failure_against_the_base_that_was_there(work, plant, git, capsys):
    project = plant(work / "project")
    git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "one")
    (project / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'nothing_here'\n")
    os.chdir(project)
    assert main(["gate", *WORDS, "--base", "main", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "failure"
    assert "nothing_here" in report["reason"]
    assert report["base"]["commit"] == git(project, "rev-parse", "main")


def test_what_fails_and_whose_fault_it_is(work, plant, capsys):
    plant(work / "good")
    plant(work / "bad", crashes_at=1)
    assert main(["gate", *WORDS, "--base", "good", "--head", "bad"]) == 1
    assert capsys.readouterr().out.startswith("failure ValueError: planted: it crashes")
    assert main(["gate", *WORDS, "--base", "bad", "--head", "good"]) == 4
    assert capsys.readouterr().err == "error: base: ValueError: planted: it crashes\n"
    assert main(["gate", *WORDS, "--head", "bad", "--calibrate"]) == 4
    assert capsys.readouterr().err == "error: ValueError: planted: it crashes\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--base is missing: what shall head be compared with? A git reference, a folder or a python"),
        (["--base", "x", "--calibrate"], "--calibrate measures head against itself; leave out --base"),
        (
            ["--calibrate", "--report", "junit=gate.xml"],
            "--calibrate makes pairs of its own and judges nothing; leave out --report",
        ),
        (["--base", "nowhere"], "--base 'nowhere' is no folder and no interpreter, and this is no git repository"),
        (["--base", ".", "--budget", "five"], "--budget takes 5%, 0.05 or METRIC=5%, not 'five'"),
        (["--base", ".", "--metric", "latency,"], "--metric expects names with a comma between them"),
        (["--base", ".", "--report", "gate.xml"], "--report takes KIND=FILE, as junit=gate.xml, not 'gate.xml'"),
        (["--base", ".", "--report", "junti=a.xml"], "unknown kind of --report 'junti'; did you mean 'junit'?"),
        (["--base", ".", "--report", "junit=no/a.xml"], "cannot write no/a.xml: there is no folder no"),
        (
            ["--base", ".", "--report", "history=no.csv"],
            "no.csv is no history: its header is not time,commit,workload and metrics, each once",
        ),
        (["--base", ".", "--pairs", "0"], "--pairs must be at least 1, not 0"),
        (["--base", ".", "--time-limit", "inf"], "--time-limit must be finite, not inf"),
        (["--base", ".", "--most-pairs", "2"], "--most-pairs 2 is below --pairs 3"),
        (["--base", ".", "--floor", "none.json"], "there is no noise floor in none.json: --calibrate makes it"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(work, capsys, words, message):
    (work / "no.csv").write_text("something else\n")
    assert main(["gate", *WORDS, *words]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_second_gate_waits_for_the_first(work, plant, capsys, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(work))
    plant(work / "same")
    other = FileLock(work / f"mmbench-gate-{os.getuid()}.lock", thread_local=False)
    with other:
        assert main(["gate", *WORDS, "--base", "same", "--head", "same", "--time-limit", "1"]) == 4
    assert capsys.readouterr().err.splitlines() == [
        "note: another gate measures on this machine; waiting for it",
        "error: another gate or bisection of this user still measures on this machine after 1 s: start again when it "
        "has ended, or wait longer for it with --time-limit SECONDS",
    ]
    other.acquire()
    Timer(1.0, other.release).start()
    words = ["--pairs", "1", "--most-pairs", "1", "--budget", "400%"]
    assert main(["gate", *WORDS, "--base", "same", "--head", "same", *words]) == 0
    assert "waiting for it" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_ended_leaves_nothing_behind(work, plant, git, number):
    plant(work / "project", hangs_at=1)
    project = work / "project"
    git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "one")
    (work / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "gate", *WORDS, "--base", "main"],
        cwd=project,
        env={**os.environ, "TMPDIR": str(work / "tmp")},
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while len(_workers(process.pid)) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    workers = _workers(process.pid)
    assert len(workers) == 2
    process.send_signal(number)
    process.wait(30)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert [path.suffix for path in (work / "tmp").iterdir()] == [".lock"]
    assert len(git(project, "worktree", "list").splitlines()) == 1


def _workers(parent):
    """Workers of a gate that have begun."""
    found = subprocess.run(["pgrep", "-P", str(parent), "-f", "start.py"], capture_output=True, text=True, check=False)
    return found.stdout.split()


def test_an_unknown_metric_is_refused_at_once(work, capsys):
    assert main(["gate", "--model", "film", "--task", "vqa", "--base", ".", "--metric", "acuracy"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown metric 'acuracy'; did you mean 'accuracy'")
