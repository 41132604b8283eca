"""The errors a user sees: one line that says what was wrong, what was expected, and the nearest right name."""

import difflib
from collections.abc import Iterable, Sequence
from textwrap import shorten


class MMBenchError(Exception):
    """Base of every error that mmbench raises on purpose. `exit_code` is what the command line returns."""

    exit_code = 4


class UsageError(MMBenchError):
    """The request itself is wrong: an unknown name, a bad option, parts that do not fit (exit code 2)."""

    exit_code = 2


class HarnessError(MMBenchError):
    """The request was right, but the run could not be finished (exit code 4)."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Build the error for a name that does not exist, with the nearest ones that do."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        hint = "did you mean " + " or ".join(repr(n) for n in near) + "?"
    elif names:
        hint = f"known: {', '.join(names)}"
    else:
        hint = "none is installed"
    return UsageError(f"unknown {kind} {name!r}; {hint}")


def join_names(names: Sequence[str], most: int | None = None) -> str:
    """Names as one phrase: `a, b and c`, or `a, b and 3 more` where there are above `most`."""
    shown = [*names]
    if most is not None and len(shown) > most:
        shown[most:] = [f"{len(shown) - most} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def first_line(error: BaseException, most: int = 300) -> str:
    """The first line of what an error of foreign code says, which may be anything; its kind where it says nothing."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return shorten(printable(line), most) or type(error).__name__


def one_line(error: BaseException) -> str:
    """Kind and first line of an error; allocators append pages of advice."""
    said, kind = first_line(error), type(error).__name__
    return kind if said == kind else f"{kind}: {said}"


def printable(text: str) -> str:
    """Text that cannot steer a terminal or break a line."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
