"""What base and head may be, made ready to run: references, folders, projects that are built, interpreters."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from mmbench.cli.signals import ended_by_signals
from mmbench.errors import UsageError
from mmbench.gate.link import SideError
from mmbench.gate.side import opened
from mmbench.gate.workload import Workload

PYPROJECT = """
    [build-system]
    requires = ["setuptools"]
    build-backend = "setuptools.build_meta"
    [project]
    name = "planted-project"
    version = "0.1"
    [tool.setuptools]
    packages = ["planted_project"]
    [tool.setuptools.package-dir]
    planted_project = "source"
    """


@pytest.fixture
def project(tmp_path, monkeypatch, git):
    """A repository with a project whose package lies in a folder of another name; the working directory."""
    top = tmp_path / "a project"
    (top / "source").mkdir(parents=True)
    (top / "pyproject.toml").write_text(dedent(PYPROJECT))
    (top / "source" / "__init__.py").write_text("VALUE = 1\n")
    (top / ".gitignore").write_text("weights\n")
    git(top, "init", "--quiet", "--initial-branch=main")
    git(top, "add", ".")
    git(top, "commit", "--quiet", "--message", "one")
    monkeypatch.chdir(top)
    return top


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def value(side):
    """What the side's own code says."""
    code = "import planted_project; print(planted_project.VALUE)"
    done = subprocess.run(
        [side.python, "-P", "-c", code],
        cwd=side.folder,
        env=side.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_a_reference_and_the_folder_beside_it_each_run_their_own_code(project, tmp_path, git):
    (project / "source" / "__init__.py").write_text("VALUE = 2\n")
    (project / "weights").mkdir()
    found = {}
    for name, text in (("base", "main"), ("head", ".")):
        (tmp_path / name).mkdir()
        with opened(name, text, tmp_path / name) as side:
            found[name] = value(side)
            commit = git(project, "rev-parse", "HEAD")
            assert side.commit == commit
            assert side.label == {"base": f"main ({commit[:10]})", "head": f". ({commit[:10]}, with changes)"}[name]
            assert side.dirty == (name == "head")
            assert (side.folder / "weights").exists()  # what was trained here, though it is not committed
    assert found == {"base": 1, "head": 2}
    assert git(project, "status", "--porcelain") == "M source/__init__.py"  # building left nothing in the folder


def test_a_commit_is_called_by_its_short_name(project, scratch, git):
    commit = git(project, "rev-parse", "HEAD")
    with opened("base", commit, scratch) as side:
        assert side.label == commit[:10]


def test_a_folder_that_is_no_project_is_put_on_the_path(tmp_path, scratch, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "planted_project.py").write_text("VALUE = 3")
    with opened("head", "plain", scratch) as side:
        assert value(side) == 3
        assert side.environment["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "plain"), "elsewhere"]
        assert (side.label, side.commit, side.site) == ("plain", None, None)


@pytest.mark.parametrize("named", ["environment", "environment/bin/python"])
def test_an_interpreter_has_its_own_code(tmp_path, scratch, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    with opened("base", named, scratch) as side:
        assert side.python == python
        assert side.folder == tmp_path
        assert side.environment == {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def test_a_project_that_does_not_build_says_so(project, scratch):
    (project / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'nothing_here'\n")
    with pytest.raises(SideError, match="head: does not build: ") as caught, opened("head", ".", scratch):
        pass
    assert caught.value.side == "head"
    assert "\n" not in str(caught.value)


@pytest.fixture
def plain(tmp_path):
    """A project that is in no repository."""
    folder = tmp_path / "plain project"
    folder.mkdir()
    (folder / "setup.py").touch()
    return folder


@pytest.fixture
def pip(tmp_path, monkeypatch):
    """Let a shell script stand for the interpreter that runs pip."""

    def write(script):
        file = tmp_path / "interpreter"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(file))

    return write


@pytest.mark.parametrize(
    ("requires", "isolated"),
    [
        (None, False),
        ([], False),
        (["setuptools>=1", "nobody-has-this; python_version < '3'"], False),
        (["setuptools", "nobody-has-this"], True),
        (["setuptools<1"], True),
        (["setuptools @ https://example.org/setuptools.tar.gz"], True),
        (["what is this?"], True),
    ],
)
def test_pip_fetches_what_a_build_requires_unless_all_of_it_is_here(tmp_path, plain, scratch, pip, requires, isolated):
    if requires is not None:
        backend = "build-backend = 'setuptools.build_meta'"
        (plain / "pyproject.toml").write_text(f"[build-system]\nrequires = {json.dumps(requires)}\n{backend}\n")
    pip(f"printf '%s\\n' \"$@\" > '{tmp_path}/words'")
    with opened("head", str(plain), scratch):
        pass
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:4] == ["-P", "-m", "pip", "install"]
    assert ("--no-build-isolation" not in words) == isolated


def test_a_build_that_is_stopped_leaves_nothing_behind(tmp_path, plain, scratch, pip):
    pip(f"sleep 60 & echo $! > '{tmp_path}/pid'; mktemp > '{tmp_path}/made'; sleep 0.2; kill -TERM $PPID; wait")
    with ended_by_signals(), pytest.raises(SystemExit), opened("head", str(plain), scratch):
        pass
    assert Path((tmp_path / "made").read_text().strip()).is_relative_to(scratch)  # which the caller removes
    process = Path("/proc") / (tmp_path / "pid").read_text().strip()
    end = time.monotonic() + 5
    while runs(process) and time.monotonic() < end:
        time.sleep(0.01)
    assert not runs(process)


def runs(process):
    """Whether a process, by its folder in /proc, has not ended, waited for or not."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_a_build_that_hangs_says_so(plain, scratch, pip, monkeypatch):
    monkeypatch.setattr("mmbench.gate.side._BUILD_S", 0.1)
    pip("sleep 60")
    with pytest.raises(SideError, match="head: does not build within 0 s"), opened("head", str(plain), scratch):
        pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mian", "unknown git reference 'mian'; did you mean 'main'"),
        ("", "--base is empty: give a git reference, a folder, or an interpreter"),
        ("main", "--base 'main' is a git reference and also a folder or file here: for that write ./main"),
    ],
)
def test_names_that_are_none_or_two(project, scratch, text, message):
    (project / "main").mkdir()
    with pytest.raises(UsageError, match=message), opened("base", text, scratch):
        pass
    with opened("base", "./main", scratch) as side:
        assert side.folder == project / "main"


def test_outside_of_a_repository_there_are_no_references(tmp_path, scratch, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(UsageError, match="--base 'main' is no folder and no interpreter, and this is no git repository"),
        opened("base", "main", scratch),
    ):
        pass


def test_without_git_there_are_no_references(project, scratch, monkeypatch):
    monkeypatch.setenv("PATH", str(scratch))
    with (
        pytest.raises(UsageError, match="--base 'main' is no folder and no interpreter, and git is not installed"),
        opened("base", "main", scratch),
    ):
        pass


@pytest.mark.parametrize("text", ["/no/where", "../nowhere", "./nowhere", "~/no/where"])
def test_a_path_is_no_reference(project, scratch, text):
    with (
        pytest.raises(UsageError, match=rf"--base '{text}' is no folder and no interpreter$"),
        opened("base", text, scratch),
    ):
        pass


def test_what_git_fails_for_is_told_only_where_it_is_needed(project, scratch, monkeypatch):
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for text in ("main", ".", str(project)):
        with pytest.raises(UsageError, match="git fails: detected dubious ownership"), opened("head", text, scratch):
            pass
    with opened("base", sys.executable, scratch) as side:
        assert side.python == Path(sys.executable)


def test_files_are_the_sides_own_where_it_has_them(tmp_path, scratch, monkeypatch):
    here, side_folder = tmp_path / "here", tmp_path / "side"
    for folder in (here, side_folder):
        folder.mkdir()
        (folder / "both.py").touch()
    (here / "only.safetensors").touch()
    monkeypatch.chdir(here)
    with opened("base", str(side_folder), scratch) as side:
        found = side.workload(Workload("m", "t", plugins=("both.py",), weights="only.safetensors"), Path.cwd())
    assert found.plugins == ("both.py",)
    assert found.weights == str(here / "only.safetensors")
