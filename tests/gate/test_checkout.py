"""Commits and copies as folders, of real repositories; no worktree is left behind."""

import os
import subprocess
from pathlib import Path

import pytest

from mmbench.errors import HarnessError, UsageError
from mmbench.gate.checkout import copied, files_of, repository


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


def test_a_checkout_that_is_broken_off_leaves_nothing(project, git, trees, monkeypatch):
    (project / ".gitattributes").write_text("* filter=slow\n")
    git(project, "config", "filter.slow.smudge", "sleep 3; cat")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "slow")
    found = repository(project)
    commit = found.known("main")
    monkeypatch.setattr("mmbench.gate.checkout._PATIENCE_S", 1.0)
    with pytest.raises(HarnessError, match="git worktree did not end within 1 s"), found.worktree(commit):
        pass
    assert len(trees()) == 1
    assert not list((project / ".git").glob("worktrees/*"))


def test_a_folder_that_the_commit_does_not_have_is_named(project, trees):
    (project / "new").mkdir()
    found = repository(project / "new")
    with pytest.raises(UsageError, match="has no folder new, where this runs"), found.worktree(found.known("old")):
        pass
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


def test_without_git_there_is_none_either(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))
    assert repository(project) is None
    assert files_of(project) is None


@pytest.fixture
def somebody_elses(project, monkeypatch):
    """The project, which git takes for somebody else's, whatever this machine's configuration says."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    return project


@pytest.mark.parametrize("ask", [repository, files_of])
def test_why_git_fails_is_told(somebody_elses, ask):
    with pytest.raises(UsageError, match=r"^git fails: detected dubious ownership in .*--add safe\.directory"):
        ask(somebody_elses)


def test_configuration_in_the_environment_holds(somebody_elses, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")
    assert repository(somebody_elses).top == somebody_elses


def test_within_a_hook_of_another_repository_a_folder_is_of_its_own(project, tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "another"))
    assert repository(project).top == project
    assert files_of(project) == [Path("inside/file.txt")]


@pytest.mark.parametrize("known", [True, False], ids=["git knows it", "git does not"])
def test_a_copy_keeps_links_within_it_and_follows_others(tmp_path, git, known):
    part = tmp_path / "part"
    for file in ("LICENSE", "shared/data.txt", "part/pyproject.toml", "part/code/file.py", "part/code/deep/file.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(file)
    links = {
        "same": "code",
        "code/deep/up.py": "../file.py",
        "out_and_in": "../part/code",
        "absolute.py": str(part / "code" / "file.py"),
        "LICENSE": "../LICENSE",
        "shared": "../shared",
        "nothing": "nowhere",
    }
    for link, target in links.items():
        (part / link).symlink_to(target)
    if known:
        git(tmp_path, "init", "--quiet")
    copy = copied(part, tmp_path / "another place" / "copy")
    kept = {"same": "code", "code/deep/up.py": "../file.py", "out_and_in": "code", "absolute.py": "code/file.py"}
    assert {link: str((copy / link).readlink()) for link in kept} == kept
    assert (copy / "LICENSE").read_text() == "LICENSE"
    assert not (copy / "LICENSE").is_symlink()
    assert (copy / "shared" / "data.txt").read_text() == "shared/data.txt"
    assert not (copy / "nothing").is_symlink()
    assert (copy / "code" / "deep" / "file.py").read_text() == "part/code/deep/file.py"


def test_a_copy_is_without_what_git_ignores(project, tmp_path):
    (project / ".gitignore").write_text("ignored.txt\n")
    for name in ("ignored.txt", "pyproject.toml", "new.txt"):
        (project / name).touch()
    copy = copied(project, tmp_path / "copy")
    assert {path.name for path in copy.iterdir()} == {".gitignore", "inside", "new.txt", "pyproject.toml"}


def test_a_copy_of_what_git_ignores_is_without_what_was_built(project, tmp_path):
    (project / ".gitignore").write_text("ignored\n")
    for name in ("pyproject.toml", "code/file.py", "code/__pycache__/file.pyc", "build/file.py", ".venv/file.py"):
        (project / "ignored" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "ignored" / name).touch()
    copy = copied(project / "ignored", tmp_path / "copy")
    assert {path.relative_to(copy) for path in copy.rglob("*") if path.is_file()} == {
        Path("pyproject.toml"),
        Path("code/file.py"),
    }


def test_a_folder_that_has_become_a_link_is_copied_as_that(project, tmp_path):
    (project / "pyproject.toml").touch()
    (project / "inside").rename(tmp_path / "elsewhere")
    (project / "inside").symlink_to(tmp_path / "elsewhere")
    copy = copied(project, tmp_path / "copy")
    assert (copy / "inside").readlink() == tmp_path / "elsewhere"
    assert (copy / "inside" / "file.txt").read_text() == "two"
