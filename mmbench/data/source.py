"""Where the files of a data set are."""

from importlib import metadata, util
from pathlib import Path

from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError


def package_folder(card: DatasetCard) -> Path:
    """The folder of a data set that comes inside a Python package; the package is found, not imported.

    Raises:
        UsageError: the package is not installed, or not in the version that the card pins.
    """
    source = card.source
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
