"""What base and head may be, made ready to run: references, folders, projects that are built, interpreters."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

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
