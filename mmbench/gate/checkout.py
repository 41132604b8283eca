"""Commits of a git repository as folders: worktrees that are gone when the gate is done."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmbench.errors import HarnessError, UsageError, unknown_name

_PREFIX = "mmbench-gate-"
_PATIENCE_S = 300.0


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
                raise UsageError(f"{first[:10]} is not on the way of first parents that leads to {last[:10]}")
        return commits

    def dirty(self) -> bool:
        """Whether files that git does not ignore differ from the commit that is checked out, new ones included."""
        return bool(_git(self.top, "-c", "core.fsmonitor=false", "status", "--porcelain").stdout.strip())

    @contextmanager
    def worktree(self, commit: str) -> Iterator[Path]:
        """The files of a commit, as the working directory's folder would be, for the time of the context.

        Raises:
            HarnessError: it cannot be checked out.
        """
        _remove_orphans(self.top)
        with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True) as scratch:
            tree = Path(scratch) / "tree"
            # Hooks are for people who check out to work.
            done = _git(
                self.top, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", "--quiet", str(tree), commit
            )
            try:
                if done.returncode:
                    raise HarnessError(f"cannot check out {commit[:10]}: {_last_line(done.stderr)}")
                yield tree / self.inside
            finally:
                _remove(self.top, tree)


def repository(folder: Path) -> Repository | None:
    """The repository that a folder belongs to; `None` where there is none, or no git."""
    found = _git(folder, "rev-parse", "--show-toplevel", "--show-prefix")
    if found.returncode:
        return None
    top, inside = [*found.stdout.splitlines(), ""][:2]
    return Repository(Path(top), Path(inside))


def files_of(folder: Path) -> list[Path] | None:
    """What git tracks or would track in a folder, relative to it; `None` where it is in no repository."""
    found = _git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if found.returncode:
        return None
    return [Path(name) for name in found.stdout.split("\0") if name]


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # Within a hook git's variables name the repository of the hook.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        return subprocess.run(  # noqa: S603  # git, no shell; references stand behind --end-of-options
            ["git", *words],  # noqa: S607  # wherever the user has it
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=_PATIENCE_S,
            check=False,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(words, 127, "", "git is not installed")
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
        named = re.fullmatch(rf"{_PREFIX}(\d+)-.*", path.parent.name) if path else None
        if path is not None and named and not Path(f"/proc/{named[1]}").exists() and Path("/proc").exists():
            _remove(top, path)
            shutil.rmtree(path.parent, ignore_errors=True)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
