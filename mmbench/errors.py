"""The errors a user sees: one line that says what was wrong, what was expected, and the nearest right name."""

import difflib
from collections.abc import Iterable, Sequence


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


def printable(text: str) -> str:
    """Text that cannot steer a terminal or break a line."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
