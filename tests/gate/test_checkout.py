"""Commits as folders, in real repositories; no worktree is left behind."""

import subprocess
from pathlib import Path

import pytest

from mmbench.errors import UsageError
from mmbench.gate.checkout import files_of, repository


@pytest.fixture
def project(tmp_path, git):
    """Two commits of a file in a folder with a space in its name; the first is tagged `old`."""
    top = tmp_path / "my project"
    (top / "inside").mkdir(parents=True)
    git(top, "init", "--quiet", "--initial-branch=main")
    for text in ("one", "two"):
        (top / "inside" / "file.txt").write_text(text)
        git(top, "add", ".")
        git(top, "commit", "--quiet", "--message", text)
        if text == "one":
            git(top, "tag", "old")
    return top


@pytest.fixture
def trees(git, project):
    """The worktrees that there are now."""

    def find():
        listed = git(project, "worktree", "list", "--porcelain").splitlines()
        return [line for line in listed if line.startswith("worktree ")]

    return find


def test_a_commit_is_a_folder_for_the_time_of_the_context(project, trees):
    found = repository(project / "inside")
    assert (found.top, found.inside) == (project, Path("inside"))
    with found.worktree(found.known("old")) as tree:
        assert (tree / "file.txt").read_text() == "one"
        assert len(trees()) == 2
    assert not tree.exists()
    assert len(trees()) == 1
    assert (project / "inside" / "file.txt").read_text() == "two"


def test_it_is_gone_after_an_error_too(project, trees):
    found = repository(project)
    with pytest.raises(KeyboardInterrupt), found.worktree(found.known("HEAD")) as tree:
        raise KeyboardInterrupt
    assert not tree.exists()
    assert len(trees()) == 1


def test_a_hook_does_not_run(project):
    hook = project / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{project}/ran'\n")
    hook.chmod(0o755)
    found = repository(project)
    with found.worktree(found.known("old")):
        pass
    assert not (project / "ran").exists()


def test_what_a_killed_gate_left_is_removed_by_the_next(project, tmp_path, git, trees):
    died = subprocess.Popen(["true"])
    died.wait()
    left = tmp_path / f"mmbench-gate-{died.pid}-abc" / "tree"
    git(project, "worktree", "add", "--detach", "--quiet", str(left), "old")
    found = repository(project)
    with found.worktree(found.known("old")):
        assert not left.parent.exists()
    assert len(trees()) == 1


def test_unknown_references_name_the_nearest(project):
    with pytest.raises(UsageError, match="unknown git reference 'mian'; did you mean 'main'"):
        repository(project).known("mian")
    with pytest.raises(UsageError, match="unknown git reference '--help'"):
        repository(project).known("--help")


def test_a_shallow_clone_says_how_to_fetch(project, tmp_path, git):
    git(tmp_path, "clone", "--quiet", "--depth", "1", project.as_uri(), "shallow")
    old = git(project, "rev-parse", "old")
    with pytest.raises(
        UsageError, match=r"it is shallow\. Fetch its history first: `git fetch --unshallow`, or `fetch-dep"
    ):
        repository(tmp_path / "shallow").known(old)


def test_dirty_is_what_differs_and_what_is_new(project):
    found = repository(project)
    assert not found.dirty()
    (project / "inside" / "file.txt").write_text("three")
    assert found.dirty()
    (project / "inside" / "file.txt").write_text("two")
    assert not found.dirty()
    (project / "new.txt").write_text("it is built and measured too")
    assert found.dirty()


def test_files_are_those_that_git_does_not_ignore(project):
    (project / ".gitignore").write_text("ignored.txt\n")
    (project / "ignored.txt").write_text("")
    (project / "new.txt").write_text("")
    assert set(files_of(project)) == {Path(".gitignore"), Path("new.txt"), Path("inside/file.txt")}


def test_no_repository(tmp_path):
    assert repository(tmp_path) is None
    assert files_of(tmp_path) is None
