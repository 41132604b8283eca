"""Raw values to pixels: what `Sample.inputs` may hold, opened only when a batch is made."""

import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from mmbench.data.annotations import shown
from mmbench.profile.stage import DECODE, in_stage


class DecodeError(ValueError):
    """A file that cannot be decoded; the message shows the last two parts of its path, and why."""


Cell = Mapping[str, Any]
"""A file as `datasets` has it: {"bytes": its content, "path": its name}, either of which may be `None`."""


@in_stage(DECODE)
def load_image(value: Path | str | Cell | Image.Image) -> Image.Image:
    """Open and decode an image as RGB; transparent pixels keep their colour, orientation marks are left alone.

    Raises:
        DecodeError: the file is missing, truncated, no image, or larger than Pillow's limit on pixels.
    """
    if isinstance(value, Image.Image):
        try:
            return value.convert("RGB")
        except OSError as error:  # opened from a file, and not read until now
            raise DecodeError(f"an image that was opened before cannot be decoded: {_reason(error)}") from error
    path, content = opened_from(value)
    try:
        with warnings.catch_warnings():
            # Pillow only warns up to twice its limit; no honest photograph has that many pixels.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(content or path) as image:
                return image.convert("RGB")
    except FileNotFoundError as error:
        raise DecodeError(f"{shown(path)}: no such file") from error
    except UnidentifiedImageError as error:
        raise DecodeError(f"{shown(path)}: not an image") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeError(f"{shown(path)}: too many pixels, could be a decompression bomb") from error
    except Exception as error:  # Pillow's decoders raise what they like on damaged files (OSError, SyntaxError, ...)
        raise DecodeError(f"{shown(path)}: cannot be decoded: {_reason(error)}") from error


def opened_from(value: Path | str | Cell) -> tuple[Path, BytesIO | None]:
    """The name of a file, and its content where that is at hand already.

    Raises:
        DecodeError: a cell with neither bytes nor path.
    """
    if isinstance(value, Path):  # not made anew, which takes longer than opening a small file
        return value, None
    if isinstance(value, str):
        return Path(value), None
    name, content = value.get("path"), value.get("bytes")
    if name is None and content is None:
        raise DecodeError("an empty cell: it has neither bytes nor path")
    return Path(name or "bytes"), None if content is None else BytesIO(content)


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
