"""What `mmbench doctor` looks at in data sets."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmbench.cli.checks import Check, install, missing_packages
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
    for extra, names in _by_extra(cards, kinds.get("generated", ())).items():
        label = f"generated data, extra {extra}" if extra else "generated data"
        missing = missing_packages(extra) if extra else []
        if missing:
            yield Check(label, "warning", f"{join(names)} cannot be made: no {join(missing)}", install(extra))
        else:
            yield Check(label, "ok", join(names), "made on first use")
    for kind, what in (("files", "with your files"), ("hub", "from the hub, or with your files")):
        if kind in kinds:
            yield Check(f"data {what}", "ok", join(kinds[kind]), "check one by `mmbench doctor NAME --data PATH`")


def _by_extra(cards: Mapping[str, Any], names: Iterable[str]) -> dict[str, list[str]]:
    """Generated data sets by the extra that they need; an empty one for none."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(cards[name].source.extra or "", []).append(name)
    return found


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


def check_dataset(name: str, data: Path | None, split: str | None, *, decode: bool, fetch: bool) -> Iterator[Check]:
    """One line for each split: how many samples there are, and exactly what is missing or broken.

    Raises:
        UsageError: no such data set or split.
    """
    from mmbench.data.card import HubSource
    from mmbench.engine.look import check_split, is_at_hand, open_data, splits_of

    task, card = open_data(name, data)
    if split is not None:
        card.check_split(split)
    if isinstance(card.source, HubSource) and not is_at_hand(card) and not fetch:
        found = f"on the hub ({card.source.repo}), so nothing was checked"
        yield Check(name, "warning", found, "give --data PATH for a copy, or --fetch to load every split")
        return
    for each in [split] if split is not None else splits_of(task, card):
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
