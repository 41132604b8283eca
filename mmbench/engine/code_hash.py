"""Which code a result rests on: a hash of every package that a part of it comes from."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from importlib import util
from importlib.metadata import entry_points
from pathlib import Path

from mmbench.data.card import DatasetCard
from mmbench.registry import Kind

HARNESS = "mmbench"

_SHOWN = frozenset({"cli", "leaderboard"})
"""Parts of the harness above the engine: they read options and show records, and no row depends on them."""


def packages_of(parts: Iterable[tuple[Kind, str]], card: DatasetCard) -> list[str]:
    """The harness, and the packages whose entry points register these parts or that read the data set; sorted.

    What a plugin file registers is in none of them: `plugin_hashes` tells of those.
    """
    found = {HARNESS}
    for kind, name in parts:
        found |= {point.module.partition(".")[0] for point in entry_points(group=f"mmbench.{kind}s", name=name)}
    reader, colon, _ = card.format.partition(":")
    if colon:
        found.add(reader.partition(".")[0])
    return sorted(found)


def code_hashes(packages: Iterable[str]) -> dict[str, str]:
    """SHA-256, by package, of the names and contents of its Python files; nothing is imported."""
    return {package: _hash(package) for package in packages}


def _hash(package: str) -> str:
    digest = sha256()
    for name, path in sorted(_files(package).items()):
        digest.update(f"{name}\0".encode())
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files(package: str) -> Mapping[str, Path]:
    """The package's Python files by their path in it."""
    spec = util.find_spec(package)
    if spec is None:
        return {}
    if spec.submodule_search_locations is None:
        return {Path(spec.origin).name: Path(spec.origin)} if spec.origin else {}
    found: dict[str, Path] = {}
    for root in map(Path, spec.submodule_search_locations):
        inside = {path.relative_to(root): path for path in root.rglob("*.py")}
        found |= {name.as_posix(): path for name, path in inside.items() if not _is_shown(package, name)}
    return found


def _is_shown(package: str, name: Path) -> bool:
    return package == HARNESS and name.parts[0] in _SHOWN
