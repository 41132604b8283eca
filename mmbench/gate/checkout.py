"""Code of a repository as folders: commits as worktrees, which are gone when the gate is done, and copies to build."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmbench.errors import HarnessError, UsageError, printable, unknown_name
from mmbench.gate.program import run
from mmbench.gate.scratch import is_left, scratch_folder

PROJECT_FILES = (Path("pyproject.toml"), Path("setup.py"))
"""One of them makes a folder a project."""

_SHORT = 10  # characters of a commit's name
_PATIENCE_S = 300.0
_NO_GIT = 127  # what a shell returns for a command that it does not find
_NO_REPOSITORY = ("not a git repository", "must be run in a work tree")  # the latter of a bare one
# What `git rev-parse --local-env-vars` lists, but for GIT_CONFIG_COUNT and GIT_CONFIG_PARAMETERS: these configure git,
# which keeps them too where it turns to another repository.
_OF_ONE_REPOSITORY = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
}


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository around the working directory.

    Attributes:
        top: its topmost folder.
        inside: the working directory, relative to that.
    """

    top: Path
    inside: Path

    def commit(self, reference: str) -> str | None:
        """The full name of a commit; `None` where there is no such reference."""
        found = _git(self.top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
        return found.stdout.strip() if found.returncode == 0 else None

    def known(self, reference: str) -> str:
        """The full name of a commit.

        Raises:
            UsageError: there is no such reference; says the nearest, or that the clone is shallow.
        """
        found = self.commit(reference)
        if found is not None:
            return found
        if _git(self.top, "rev-parse", "--is-shallow-repository").stdout.strip() == "true":
            raise UsageError(
                f"this clone does not have {reference!r}: it is shallow. Fetch its history first: `git fetch "
                "--unshallow`, or `fetch-depth: 0` of actions/checkout"
            )
        names = _git(self.top, "for-each-ref", "--format=%(refname:short)").stdout.split()
        raise unknown_name("git reference", reference, names)

    def first_parents(self, first: str, last: str) -> list[str]:
        """The commits after `first` up to `last`, oldest first, of merges along the first parents.

        Raises:
            UsageError: `first` is not on that way.
        """
        found = _git(self.top, "rev-list", "--first-parent", "--reverse", f"{first}..{last}")
        commits = found.stdout.split()
        if commits:
            parents = _git(self.top, "rev-parse", "--verify", "--quiet", f"{commits[0]}^1")
            if parents.stdout.strip() != first:
                ours, theirs = short_name(first), short_name(last)
                raise UsageError(f"{ours} is not on the way of first parents that leads to {theirs}")
        return commits

    def dirty(self) -> bool:
        """Whether files that git does not ignore differ from the commit that is checked out, new ones included."""
        return bool(_git(self.top, "status", "--porcelain", settings=["core.fsmonitor=false"]).stdout.strip())

    @contextmanager
    def worktree(self, commit: str) -> Iterator[Path]:
        """The files of a commit, as the working directory's folder would be, for the time of the context.

        Raises:
            UsageError: the commit does not have that folder.
            HarnessError: it cannot be checked out.
        """
        _remove_orphans(self.top)
        with scratch_folder() as scratch:
            tree = Path(scratch) / "tree"
            words = ["worktree", "add", "--detach", "--quiet", str(tree), commit]
            try:
                # Hooks are for people who check out to work.
                done = _git(self.top, *words, settings=["core.hooksPath=/dev/null"])
                if done.returncode:
                    raise HarnessError(f"cannot check out {short_name(commit)}: {_reason(done.stderr)}")
                folder = tree / self.inside
                if not folder.is_dir():
                    raise UsageError(
                        f"{short_name(commit)} has no folder {printable(str(self.inside))}, where this runs; run it "
                        "from one that the commit has"
                    )
                yield folder
            finally:
                _remove(self.top, tree)


def short_name(commit: str) -> str:
    """A commit's name as people read it."""
    return commit[:_SHORT]


def repository(folder: Path) -> Repository | None:
    """The repository that a folder belongs to; `None` where there is none, or no git.

    Raises:
        UsageError: git fails for another reason; says which.
    """
    found = _asked(folder, "rev-parse", "--show-toplevel", "--show-prefix")
    if found is None:
        return None
    top, inside = [*found.splitlines(), ""][:2]
    return Repository(Path(top), Path(inside))


def files_of(folder: Path) -> list[Path] | None:
    """What git tracks or would track in a folder, relative to it; `None` where there is no repository, or no git.

    Raises:
        UsageError: git fails for another reason; says which.
    """
    found = _asked(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if found is None:
        return None
    # In a conflict a file is listed more than once.
    return [Path(name) for name in dict.fromkeys(found.split("\0")) if name]


def copied(folder: Path, target: Path) -> Path:
    """A copy of a project to build from, since building leaves files behind, without what git ignores.

    Links to what lies in the folder stay links. A link to a file elsewhere becomes that file; one to a folder elsewhere
    leads to that very folder, which may be a whole data set.

    Raises:
        UsageError: as `files_of`.
    """
    root = folder.resolve()
    files = files_of(root)
    if files is None or not any(file in files for file in PROJECT_FILES):  # git ignores the folder
        files = _all_files(root)
    for file in files:
        _copy(root / file, target / file, root)
    return target


def _all_files(root: Path) -> list[Path]:
    """What lies in a folder, without what is hidden or was built; folders are named too, since links are among them."""
    found: list[Path] = []
    for place, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not (name.startswith(".") or name in ("build", "__pycache__"))]
        names = [*folders, *(name for name in files if not name.startswith("."))]
        found += [Path(place, name).relative_to(root) for name in names]
    return found


def _copy(path: Path, copy: Path, root: Path) -> None:
    """One file or link of a folder; none where that is deleted, leads nowhere, or is a folder, such as a submodule."""
    if not (path.is_file() or (path.is_symlink() and path.is_dir())):
        return
    if path.parent.resolve() != path.parent:  # a folder that git knows has become a link, which is copied itself
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    real = path.resolve()
    if path.is_symlink() and real.is_relative_to(root):
        copy.symlink_to(os.path.relpath(real, path.parent))
    elif path.is_file():
        shutil.copy2(path, copy)
    else:
        copy.symlink_to(real)


def _asked(folder: Path, *words: str) -> str | None:
    """What git says of a folder; `None` where that is in no repository, or there is no git.

    Raises:
        UsageError: git fails for another reason, such as that the repository is somebody else's.
    """
    found = _git(folder, *words)
    if found.returncode == 0:
        return found.stdout
    if found.returncode == _NO_GIT or any(words in found.stderr for words in _NO_REPOSITORY):
        return None
    raise UsageError(f"git fails: {_reason(found.stderr)}")


def _git(folder: Path, *words: str, settings: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    # Within a hook git's variables name the repository of the hook.
    environment = {name: value for name, value in os.environ.items() if name not in _OF_ONE_REPOSITORY}
    # Its messages are read.
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    # References stand behind --end-of-options.
    command = ["git", *(word for setting in settings for word in ("-c", setting)), *words]
    try:
        return run(command, folder, environment, _PATIENCE_S)
    except FileNotFoundError:
        return subprocess.CompletedProcess(words, _NO_GIT, "", "git is not installed")
    except subprocess.TimeoutExpired:
        raise HarnessError(f"git {words[0]} did not end within {_PATIENCE_S:.0f} s") from None


def _remove(top: Path, tree: Path) -> None:
    if _git(top, "worktree", "remove", "--force", "--force", str(tree)).returncode:
        shutil.rmtree(tree, ignore_errors=True)
        _git(top, "worktree", "remove", "--force", "--force", str(tree))


def _remove_orphans(top: Path) -> None:
    """Worktrees of gates that were killed so that they could not remove them."""
    for line in _git(top, "worktree", "list", "--porcelain").stdout.splitlines():
        path = Path(line.removeprefix("worktree ")) if line.startswith("worktree ") else None
        if path is not None and is_left(path.parent):
            _remove(top, path)
            shutil.rmtree(path.parent, ignore_errors=True)


def _reason(told: str) -> str:
    """What git died of and what it advises, in one line."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    fatal = next((place for place, line in enumerate(lines) if line.startswith("fatal: ")), -1)
    return printable(" ".join(lines[fatal:])).removeprefix("fatal: ") or "no reason given"
