import getpass
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from mmbench.record.environment import capture

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]


def test_names_hardware_and_versions():
    found = capture()
    assert found.versions["python"] == platform.python_version()
    assert found.versions["torch"] == version("torch")
    assert found.versions["mmbench"] == version("mmbench")
    assert found.cpu
    assert found.logical_cores == os.cpu_count()
    assert found.memory_bytes is None or found.memory_bytes > 10**8
    assert found.threads == torch.get_num_threads()
    assert bool(found.accelerators) == torch.accelerator.is_available()


def test_takes_the_threads_that_the_run_uses():
    assert capture(threads=7).threads == 7


def test_names_no_machine_person_or_path(monkeypatch, tmp_path):
    monkeypatch.setenv("MMBENCH_SECRET", "hunter2")
    monkeypatch.chdir(tmp_path)
    text = capture().model_dump_json()
    for private in (f'"{platform.node()}"', f'"{getpass.getuser()}"', str(Path.home()), str(tmp_path), "hunter2"):
        assert private not in text


def test_git_is_none_outside_a_repository(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert capture().git is None


def test_git_is_none_without_git(monkeypatch, repository):
    monkeypatch.setenv("PATH", "")
    assert capture().git is None


def test_git_is_none_before_the_first_commit(monkeypatch, tmp_path):
    subprocess.run([*GIT, "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    assert capture().git is None


def test_git_tells_commit_and_changes(repository):
    head = subprocess.run([*GIT, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    clean = capture().git
    assert (clean.commit, clean.dirty) == (head, False)
    (repository / "untracked.txt").write_text("no change of the code")
    assert not capture().git.dirty
    (repository / "code.py").write_text("changed = True\n")
    assert capture().git.dirty


@pytest.fixture
def repository(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code.py").write_text("changed = False\n")
    for command in (["init", "-q"], ["add", "code.py"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*GIT, *command], check=True)
    return tmp_path
