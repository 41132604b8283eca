"""`mmbench doctor`: whether this installation, or a data set, is whole, and what to do where it is not."""

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from mmbench.cli.checks import Check, install, missing_packages, report, wanted_packages
from mmbench.cli.console import DataOption, JsonOption, PluginOption, join, load_plugins
from mmbench.cli.doctor_data import check_dataset, installed_datasets
from mmbench.errors import MMBenchError, UsageError
from mmbench.registry import KINDS, PluginWarning, registry

RESULTS = Path("results")
CLEAR_REFS = Path("/proc/self/clear_refs")


def doctor(
    dataset: Annotated[
        str | None, typer.Argument(metavar="[DATASET]", help="Check that all of this data set is there.")
    ] = None,
    data: DataOption = None,
    split: Annotated[str | None, typer.Option("--split", help="Only this split.", show_default="all")] = None,
    decode: Annotated[bool, typer.Option("--decode", help="Open every image and every recording, too.")] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="Load a data set of the hub to check it.")] = False,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Check the installation, or a data set: every annotation read, every file there, and what is missing."""
    load_plugins(plugin)
    if dataset is not None:
        report(list(check_dataset(dataset, data, split, decode=decode, fetch=fetch)), json)
    elif data is not None or split is not None or decode or fetch:
        raise UsageError("--data, --split, --decode and --fetch go with the name of a data set")
    else:
        report([check for group in CHECKS for check in group()], json)


def _versions() -> Iterator[Check]:
    import platform
    from importlib.metadata import version

    yield Check("python", "ok", platform.python_version())
    yield Check("mmbench", "ok", version("mmbench"))


def _packages() -> Iterator[Check]:
    """What the package metadata asks for: required packages one group, each extra another."""
    for extra, names in sorted(wanted_packages().items()):
        missing = missing_packages(extra)
        group = f"extra {extra}" if extra else "packages"
        if not missing:
            yield Check(group, "ok", f"all {len(names)} installed")
        elif extra:
            yield Check(group, "ok", f"not installed: {join(missing)}", f"if you need it: {install(extra)}")
        else:
            yield Check(group, "problem", f"missing: {join(missing)}", f"pip install {' '.join(missing)}")


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
    installed_datasets,
    _results,
    _memory,
)
