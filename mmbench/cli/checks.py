"""What `mmbench doctor` finds, and how that is printed."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import typer

from mmbench.cli.console import console, print_json
from mmbench.errors import HarnessError

Status = Literal["ok", "warning", "problem"]
STYLES: dict[Status, str] = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at.
        status: `warning`: something will be missing; `problem`: mmbench cannot do its work.
        found: what there is.
        todo: what the user can do about it.
    """

    name: str
    status: Status
    found: str
    todo: str = ""


def wanted_packages() -> dict[str, list[str]]:
    """What mmbench's metadata asks for, by extra; the required ones under an empty name."""
    from importlib.metadata import requires

    wanted: dict[str, list[str]] = {}
    for requirement in requires("mmbench") or []:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        marker = re.search(r"extra == ['\"]([^'\"]+)['\"]", requirement)
        wanted.setdefault(marker.group(1) if marker else "", []).append(name)
    return wanted


def missing_packages(extra: str) -> list[str]:
    """Packages of an extra that are not installed."""
    return [name for name in wanted_packages().get(extra, []) if not _is_installed(name)]


def install(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'mmbench[{extra}]' (in a checkout: pip install '.[{extra}]')"


def _is_installed(name: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def report(checks: Sequence[Check], json: bool) -> None:
    """Print what was found.

    Raises:
        typer.Exit: there is a problem.
    """
    problems = sum(check.status == "problem" for check in checks)
    if json:
        print_json({"ok": not problems, "checks": [asdict(check) for check in checks]})
    else:
        _print(checks, problems)
    if problems:
        raise typer.Exit(HarnessError.exit_code)


def _print(checks: Sequence[Check], problems: int) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False)
    for check in checks:
        text = f"{check.found}; {check.todo}" if check.todo else check.found
        table.add_row(Text(check.status, style=STYLES[check.status]), Text(check.name, style="cyan"), Text(text))
    out = console()
    out.print(table)
    out.print(Text(f"{problems} problem{'s' * (problems != 1)}" if problems else "no problems", style="bold"))
