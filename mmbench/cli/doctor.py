"""`mmbench doctor`: whether this installation can do its work, and what to do where it cannot."""

import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import typer

from mmbench.cli.console import JsonOption, PluginOption, console, join, load_plugins, print_json
from mmbench.errors import HarnessError, MMBenchError
from mmbench.registry import KINDS, PluginWarning, registry

Status = Literal["ok", "warning", "problem"]
STYLES: dict[Status, str] = {"ok": "green", "warning": "yellow", "problem": "bold red"}
RESULTS = Path("results")
CLEAR_REFS = Path("/proc/self/clear_refs")


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


def doctor(plugin: PluginOption = None, json: JsonOption = False) -> None:
    """Check the installation: versions, devices, plugins, data sets, write access."""
    load_plugins(plugin)
    checks = [check for group in CHECKS for check in group()]
    if json:
        print_json({"ok": not _problems(checks), "checks": [asdict(check) for check in checks]})
    else:
        _print(checks)
    if _problems(checks):
        raise typer.Exit(HarnessError.exit_code)


def _problems(checks: list[Check]) -> int:
    return sum(check.status == "problem" for check in checks)


def _print(checks: list[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False)
    for check in checks:
        text = f"{check.found}; {check.todo}" if check.todo else check.found
        table.add_row(Text(check.status, style=STYLES[check.status]), Text(check.name, style="cyan"), Text(text))
    out = console()
    out.print(table)
    count = _problems(checks)
    out.print(Text(f"{count} problem{'s' * (count != 1)}" if count else "no problems", style="bold"))


def _versions() -> Iterator[Check]:
    import platform
    from importlib.metadata import version

    yield Check("python", "ok", platform.python_version())
    yield Check("mmbench", "ok", version("mmbench"))


def _packages() -> Iterator[Check]:
    """What the package metadata asks for: required packages one group, each extra another."""
    from importlib.metadata import requires

    wanted: dict[str, list[str]] = {}
    for requirement in requires("mmbench") or []:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        marker = re.search(r"extra == ['\"]([^'\"]+)['\"]", requirement)
        wanted.setdefault(marker.group(1) if marker else "", []).append(name)
    for extra, names in sorted(wanted.items()):
        missing = [name for name in names if not _is_installed(name)]
        group = f"extra {extra}" if extra else "packages"
        if not missing:
            yield Check(group, "ok", f"all {len(names)} installed")
        elif extra:
            yield Check(
                group, "ok", f"not installed: {join(missing)}", f"if you need it: pip install 'mmbench[{extra}]'"
            )
        else:
            yield Check(group, "problem", f"missing: {join(missing)}", f"pip install {' '.join(missing)}")


def _is_installed(name: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _torch() -> Iterator[Check]:
    try:
        import torch
    except Exception as error:  # a broken installation fails in many ways (ImportError, OSError of a library)
        yield Check("torch", "problem", f"cannot be imported: {type(error).__name__}: {error}", "reinstall torch")
        return
    yield Check("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads of {os.cpu_count()} cores")
    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    yield Check("accelerators", "ok", join(devices) if devices else "none; models run on the CPU")


def _plugins() -> Iterator[Check]:
    for kind in KINDS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            loaded = registry.load_all(kind)
        reasons = [str(warning.message) for warning in caught if issubclass(warning.category, PluginWarning)]
        for reason in reasons:
            yield Check(f"{kind} plugins", "problem", reason, "repair or uninstall its package")
        if not reasons:
            yield Check(f"{kind} plugins", "ok", f"{len(loaded)} can be imported")


def _datasets() -> Iterator[Check]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # told by the check of the plugins
        cards = registry.load_all("dataset")
    for name, card in cards.items():
        yield _dataset(name, card)


def _dataset(name: str, card: Any) -> Check:
    from mmbench.data.card import DatasetCard
    from mmbench.data.source import package_folder

    label = f"data set {name}"
    if not isinstance(card, DatasetCard):
        return Check(label, "problem", f"is a {type(card).__name__}, not a DatasetCard", "repair its plugin")
    try:
        folder = package_folder(card)
    except (MMBenchError, ImportError) as error:  # ImportError: what the card's package lies in is missing
        return Check(label, "warning", str(error), f"pip install {card.source.requirement}")
    if not folder.is_dir():
        return Check(label, "warning", f"package {card.source.name} has no folder {card.source.root!r}")
    return Check(label, "ok", "files present")


def _results() -> Iterator[Check]:
    from mmbench.record.store import Store

    try:
        Store(RESULTS).check_writable()
    except MMBenchError as error:
        yield Check("results folder", "warning", str(error), "give another with --output")
    else:
        yield Check("results folder", "ok", f"./{RESULTS} can be written")


def _memory() -> Iterator[Check]:
    """Peak memory of one pass: Linux can set the process's high-water mark back."""
    try:
        CLEAR_REFS.write_text("5")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        yield Check(
            "peak memory", "warning", f"{CLEAR_REFS}: {reason}", "peaks on the CPU are those of the whole process"
        )
    else:
        yield Check("peak memory", "ok", "measured for each pass")


CHECKS: tuple[Callable[[], Iterator[Check]], ...] = (
    _versions,
    _packages,
    _torch,
    _plugins,
    _datasets,
    _results,
    _memory,
)
