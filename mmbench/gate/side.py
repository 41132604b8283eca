"""What base and head may be: a git reference, a folder, or the interpreter of an environment."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from mmbench.engine.models import WEIGHTS_FOLDER
from mmbench.errors import HarnessError, UsageError, printable
from mmbench.gate.checkout import PROJECT_FILES, copied, repository, short_name
from mmbench.gate.link import Link, SideError, SideName
from mmbench.gate.program import run
from mmbench.gate.workload import Workload

_OWN_WHEELS = Version("70.1")
"""Of setuptools, which makes wheels without the package `wheel` from then on, though many projects still name it."""

_START = Path(__file__).with_name("start.py")
_BUILD_S = 600.0
_VERSION = "0.0.0+gate"


@dataclass(frozen=True, slots=True)
class Side:
    """Code that can be run.

    Attributes:
        label: what reports call it: `main (1a2b3c4d5e)`.
        python: the interpreter.
        folder: where it runs, and what relative paths of the workload are relative to.
        environment: of its processes.
        site: where its project is installed; `None` where there is none, or all of it is the interpreter's.
        commit: full name, where it is one.
        dirty: there are changes beside the commit.
    """

    name: SideName
    label: str
    python: Path
    folder: Path
    environment: Mapping[str, str]
    site: Path | None = None
    commit: str | None = None
    dirty: bool = False

    def start(self, log: Path, pair: int, threads: int) -> Link:
        """A worker of this side.

        Raises:
            SideError: it cannot be started.
        """
        settings = {
            "OMP_NUM_THREADS": str(threads),
            "PYTHONHASHSEED": str(pair),  # one order of sets for both sides of a pair, another for each pair
            "KINETO_LOG_LEVEL": "99",  # torch's profiler would print two lines of its own
            "NO_COLOR": "1",
        }
        command = [str(self.python), "-P", str(_START), str(self.site or "")]
        return Link(self.name, command, self.folder, {**self.environment, **settings}, log)

    def workload(self, asked: Workload, here: Path) -> Workload:
        """The workload with this side's own files, and those of the working directory where it has none."""

        def own(path: str | None) -> str | None:
            return path if path is None or (self.folder / path).exists() else str(here / path)

        def own_model(name: str) -> str:
            """Of a model in a file, that file."""
            first, colon, second = name.partition(":")
            file = first if first.endswith(".py") else second
            if not (colon and file and (here / file).exists()):
                return name
            return f"{own(first)}:{second}" if file == first else f"{first}:{own(second)}"

        return Workload.from_json(
            asked.to_json()
            | {
                "model": own_model(asked.model),
                "data": own(asked.data),
                "weights": own(asked.weights),
                "plugins": [own(path) for path in asked.plugins],
            }
        )


@contextmanager
def opened(name: SideName, text: str, scratch: Path) -> Iterator[Side]:
    """Make code ready to run, and leave nothing of it behind.

    A project (a folder with a pyproject.toml or setup.py) is built and installed into `scratch`, without its
    dependencies, which this environment must have; other folders are put on Python's path.

    Args:
        name: which side it is.
        text: a git reference, a folder, an interpreter, or the folder of a virtual environment.
        scratch: an empty folder, which the caller removes.

    Raises:
        UsageError: it is none of these, or two of them, or git fails.
        SideError: it does not build.
        HarnessError: it cannot be checked out.
    """
    if not text:
        raise UsageError(f"--{name} is empty: give a git reference, a folder, or an interpreter")
    path = Path(text).expanduser()
    python = _interpreter(path)
    here = None if _is_path(text) else repository(Path.cwd())
    commit = None if here is None else here.commit(text)
    if commit is not None and path.exists() and text not in (".", ".."):
        raise UsageError(
            f"--{name} {text!r} is a git reference and also a folder or file here: for that write ./{text}"
        )
    if python is not None:
        # What PYTHONPATH says would be the same code for both.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        yield Side(name, printable(text), python, Path.cwd(), environment)
    elif path.is_dir():
        yield _folder_side(name, text, path.resolve(), scratch)
    elif here is None:
        raise UsageError(f"--{name} {text!r} is no folder and no interpreter{_why_no_reference(text)}")
    else:
        commit = here.known(text)
        with here.worktree(commit) as tree:
            _link_weights(tree)
            site = _build(name, tree, scratch / "site") if _is_project(tree) else None
            environment = _environment(site or tree)
            yield Side(name, _label(text, commit), Path(sys.executable), tree, environment, site, commit)


def _is_path(text: str) -> bool:
    """Whether it can be no reference of git, of which none begins like this."""
    return text.startswith(("/", "~", "./", "../"))


def _why_no_reference(text: str) -> str:
    if _is_path(text):
        return ""
    return ", and git is not installed" if shutil.which("git") is None else ", and this is no git repository"


def _folder_side(name: SideName, text: str, folder: Path, scratch: Path) -> Side:
    there = repository(folder)
    commit, dirty = (None, False) if there is None else (there.commit("HEAD"), there.dirty())
    site = _build(name, copied(folder, scratch / "source"), scratch / "site") if _is_project(folder) else None
    environment = _environment(site or folder)
    label = _label(text, commit, dirty=dirty)
    return Side(name, label, Path(sys.executable), folder, environment, site, commit, dirty)


def _interpreter(path: Path) -> Path | None:
    inside = path / "bin" / "python"
    if path.is_dir():
        return inside.absolute() if inside.is_file() else None
    return path.absolute() if path.is_file() and os.access(path, os.X_OK) else None


def _label(text: str, commit: str | None, *, dirty: bool = False) -> str:
    """What the user called it, and what that is."""
    short = "" if commit is None else short_name(commit)
    if text == short or (commit is not None and commit.startswith(text)):
        return short
    told = ", ".join(part for part in (short, "with changes" if dirty else "") if part)
    return printable(f"{text} ({told})" if told else text)


def _is_project(folder: Path) -> bool:
    return any((folder / file).is_file() for file in PROJECT_FILES)


def _environment(code: Path) -> dict[str, str]:
    """Of this process, with the side's code first on Python's path."""
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(code), *([before] if before else [])])}


def _build(name: SideName, source: Path, target: Path) -> Path:
    """Install a project without its dependencies into a folder.

    Raises:
        SideError: it does not build.
        HarnessError: there is no pip, or it takes for ever.
    """
    words = ["--quiet", "--no-deps", "--disable-pip-version-check", "--no-warn-script-location", "--no-input"]
    if all(_is_installed(requirement) for requirement in _build_requirements(source)):
        words.append("--no-build-isolation")  # else pip fetches what builds it
    if importlib.util.find_spec("pip") is None:
        raise HarnessError(f"cannot build {name}: this environment has no pip")
    # -P: what lies in the working directory does not take the place of pip's modules.
    command = [sys.executable, "-P", "-m", "pip", "install", *words, "--target", str(target), str(source)]
    temporary = target.with_name("temporary")  # where it leaves files, too, if it is broken off
    temporary.mkdir()
    # The copy is no repository, from whose tags some projects take their version.
    environment = {"SETUPTOOLS_SCM_PRETEND_VERSION": _VERSION, **os.environ, "TMPDIR": str(temporary)}
    try:
        done = run(command, Path.cwd(), environment, _BUILD_S)
    except subprocess.TimeoutExpired:
        raise SideError(name, f"does not build within {_BUILD_S:.0f} s") from None
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        # Where pip itself fails on a project, `ERROR: Exception:` stands before a traceback, whose last line tells.
        errors = [line for line in lines if line.lower().startswith("error") and not line.endswith(":")]
        raise SideError(name, f"does not build: {printable((errors or lines[-1:] or ['no reason given'])[0])}")
    return target


def _build_requirements(source: Path) -> list[str]:
    """What a project says that its build needs."""
    try:
        told: dict[str, Any] = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # pip will say what is wrong with it
        told = {}
    system = told.get("build-system")
    requires = system.get("requires") if isinstance(system, dict) else None
    return [str(each) for each in requires] if isinstance(requires, list) else ["setuptools"]


def _is_installed(requirement: str) -> bool:
    """Whether this environment has what a build requires, which may be nothing on this platform."""
    try:
        asked = Requirement(requirement)
        if asked.marker is not None and not asked.marker.evaluate():
            return True
        if asked.name == "wheel" and Version(version("setuptools")) >= _OWN_WHEELS:
            return True
        # Of what is to come from an address, nobody can tell whether it is the one that is installed.
        return asked.url is None and asked.specifier.contains(version(asked.name), prereleases=True)
    except (ValueError, PackageNotFoundError):  # pip will say what is wrong with it
        return False


def _link_weights(tree: Path) -> None:
    """Let a checkout have what was trained here, which is seldom committed."""
    here = Path.cwd() / WEIGHTS_FOLDER
    if here.is_dir() and not (tree / WEIGHTS_FOLDER).exists():
        (tree / WEIGHTS_FOLDER).symlink_to(here)
