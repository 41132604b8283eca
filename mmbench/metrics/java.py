"""The Java programs that the package pycocoevalcap brings: where they are, what is missing, and how one is run."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from mmbench.errors import HarnessError


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime.

    Attributes:
        path: of the program.
        version: the major one (8 for 1.8), 0 if it does not say.
        release: the whole version (`17.0.15`), `None` if it does not say.
    """

    path: str
    version: int
    release: str | None


@cache
def find_java() -> Java | None:
    """The Java runtime on PATH; `None` where there is none that starts."""
    path = shutil.which("java")
    if path is None:
        return None
    try:  # macOS has a `java` that only says that none is installed
        done = subprocess.run([path, "-version"], check=True, capture_output=True, timeout=60)  # noqa: S603  # no shell
    except (OSError, subprocess.SubprocessError):
        return None
    said = re.search(r'version "((?:1\.)?(\d+)[^"]*)"', done.stderr.decode(errors="replace"))
    return Java(path, int(said[2]), said[1]) if said else Java(path, 0, None)


def package_file(name: str) -> Path | None:
    """A file of the installed package pycocoevalcap, by its path inside; `None` where it is not there."""
    spec = find_spec("pycocoevalcap")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder, name)
        if path.is_file():
            return path
    return None


def missing(jar: str) -> str | None:
    """What a program needs and does not have, to follow "needs"; `None` where it can run.

    Args:
        jar: its file, by its path inside pycocoevalcap.
    """
    if find_java() is None:
        return "Java, and PATH has no java that starts"
    if package_file(jar) is None:
        return f"{jar} of the package pycocoevalcap: pip install 'mmbench[captions]'"
    return None


def versions() -> dict[str, str | None]:
    """What programs ran by, for the record: the version of pycocoevalcap and of Java, `None` where it does not say."""
    java = find_java()
    try:
        package = version("pycocoevalcap")
    except PackageNotFoundError:  # a copy of its source that is not installed
        package = None
    return {"pycocoevalcap": package, "java": java.release if java else None}


def run_java(arguments: Sequence[str | Path], text: str = "") -> str:
    """Run Java with `text` as its input and give its output, both UTF-8 whatever the locale says.

    Raises:
        HarnessError: there is no Java, or the program failed; with the last line that it wrote about it.
    """
    java = find_java()
    if java is None:
        raise HarnessError("PATH has no java that starts")
    command = [java.path, "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", *map(str, arguments)]
    try:
        done = subprocess.run(command, check=False, input=text.encode(), capture_output=True)  # noqa: S603  # no shell
    except OSError as error:
        raise HarnessError(f"{java.path}: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise HarnessError(f"java stopped with exit code {done.returncode}: {said[-1]:.200}")
    return done.stdout.decode(errors="replace")


def run_lines(arguments: Sequence[str | Path], lines: Sequence[str]) -> list[str]:
    """Run a Java program that answers each line of its input with one line.

    Raises:
        HarnessError: as `run_java`; or another number of lines came back, so that answers would go to wrong captions.
    """
    if not lines:
        return []
    answers = run_java(arguments, "".join(f"{line}\n" for line in lines)).removesuffix("\n").split("\n")
    if len(answers) != len(lines):
        raise HarnessError(f"a Java program got {len(lines)} lines and answered with {len(answers)}")
    return answers
