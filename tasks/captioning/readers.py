"""The readers of image-text sets, by the `format` of their cards; captioning and retrieval share them."""

from collections.abc import Callable, Iterator

from mmbench.data.card import DatasetCard
from mmbench.sample import Dataset
from mmbench.task import Reader, open_split

from .captions_json import open_captions_json
from .coco import read_coco
from .flickr import read_flickr8k, read_flickr30k
from .images import CaptionedImage, CaptionedImages
from .karpathy import read_karpathy
from .scenes import read_scenes


def _reader(read: Callable[[DatasetCard, str], Iterator[CaptionedImage]]) -> Reader:
    return lambda card, split: CaptionedImages(card, split, read(card, split))


_READERS: dict[str, Reader] = {
    "captions-json": open_captions_json,
    "coco": _reader(read_coco),
    "flickr8k": _reader(read_flickr8k),
    "flickr30k": _reader(read_flickr30k),
    "karpathy": _reader(read_karpathy),
    "scenes": _reader(read_scenes),
}


def open_captions(card: DatasetCard, split: str) -> Dataset:
    """One split of an image-text set: a sample an image, its path under `image`, its captions verbatim as target.

    No image is opened before a batch is made.

    Raises:
        UsageError: no such split or format, the files are not here, or they are not what the card says.
    """
    card.check_split(split)
    return open_split(_READERS, card, split)
