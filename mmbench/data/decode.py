"""Raw values to pixels: what `Sample.inputs` may hold, opened only when a batch is made."""

from pathlib import Path

from PIL import Image


def load_image(value: Path | str | Image.Image) -> Image.Image:
    """Open and decode an image as RGB.

    Raises:
        OSError: the file is missing, truncated or not an image (Pillow's message names it).
        PIL.Image.DecompressionBombError: the image is larger than Pillow's limit.
    """
    if isinstance(value, Image.Image):
        return value.convert("RGB")
    with Image.open(value) as image:
        return image.convert("RGB")
