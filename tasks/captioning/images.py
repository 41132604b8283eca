"""Images with captions: what every reader of this folder yields, checked and put behind the data set protocol."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from pathlib import Path

from mmbench.data.annotations import UniqueIds, inside, shown
from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError
from mmbench.sample import Sample


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """One image and its reference captions.

    Attributes:
        where: the place of its annotation, for messages: file, and line or entry.
        id: unique in its split.
        folder: where its file is; the same object for all images of a folder, which there may be 100,000 of.
        file: name of its file below `folder`.
        captions: verbatim, in the order of the annotations; the reader sees to it that none is empty.
        meta: what breakdowns need.
    """

    where: str
    id: str
    folder: Path
    file: str
    captions: list[str]
    meta: Mapping[str, str] = attribute(default_factory=dict)


class CaptionedImages:
    """One split: a sample an image, its target the list of reference captions.

    Attributes:
        splits: the names of all that there are, where the files tell.
    """

    def __init__(self, card: DatasetCard, split: str, images: Iterable[CaptionedImage]) -> None:
        """Take in and check the images of a split; none of their files is opened.

        Raises:
            UsageError: an id is there twice, an image has no caption, a file lies outside the data set, or there are
                not as many images as the card says.
        """
        self.splits: tuple[str, ...] = ()
        ids = UniqueIds()
        self._images: list[CaptionedImage] = []
        for image in images:
            ids.add(image.id, image.where)
            _check(image)
            self._images.append(image)
        card.check_count(split, len(self._images))

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int, /) -> Sample:
        image = self._images[index]
        return Sample(image.id, {"image": image.folder / image.file}, target=image.captions, meta=image.meta)


def check_caption(caption: str, where: str) -> str:
    """The caption, which must say something.

    Raises:
        UsageError: it is empty; says where.
    """
    if not caption.strip():
        raise UsageError(f"{where}: the caption is empty")
    return caption


def locate(card: DatasetCard, root: Path, names: Sequence[str]) -> Path:
    """The first of `names` that exists below the folder `root`.

    Raises:
        UsageError: `root` is no folder, or has none of them; says what was looked for.
    """
    if not root.is_dir():
        raise UsageError(f"data set {card.name!r}: {shown(root)} is not a folder")
    for name in names:
        if (root / name).exists():
            return root / name
    raise UsageError(f"data set {card.name!r}: {shown(root)} has no {' or '.join(names)}")


def _check(image: CaptionedImage) -> None:
    where = f"{image.where}: id {image.id!r}"
    inside(image.folder, image.file, where)
    if not image.captions:
        raise UsageError(f"{where}: there are no captions")
