"""A sheet of samples as one picture, for people to look at."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmbench.data.audio import load_audio
from mmbench.data.decode import DecodeError, load_image
from mmbench.sample import Sample

_CELL = 220  # pixels of a cell's width, and of its picture's height
_TEXT = 130  # pixels of the text below
_MARGIN = 10
_LINES = 8
_INK, _PAPER, _WAVE = (20, 20, 20), (255, 255, 255), (40, 90, 160)


def draw_sheet(samples: Sequence[Sample], path: Path, columns: int = 4) -> None:
    """Write a PNG of samples in rows: image, or wave form of audio, above id, text and target.

    What cannot be decoded is drawn as the reason why.

    Raises:
        OSError: the file cannot be written.
    """
    columns = min(columns, len(samples))
    rows = -(-len(samples) // columns)
    size = (columns * (_CELL + _MARGIN) + _MARGIN, rows * (_CELL + _TEXT + _MARGIN) + _MARGIN)
    sheet = Image.new("RGB", size, _PAPER)
    for index, sample in enumerate(samples):
        row, column = divmod(index, columns)
        corner = (_MARGIN + column * (_CELL + _MARGIN), _MARGIN + row * (_CELL + _TEXT + _MARGIN))
        _draw_sample(sheet, sample, *corner)
    sheet.save(path, format="PNG")


def _draw_sample(sheet: Image.Image, sample: Sample, left: int, top: int) -> None:
    media = [m for m in ("image", "audio") if sample.inputs.get(m) is not None]
    height = _CELL // max(1, len(media))
    lines: list[str] = []
    for number, modality in enumerate(media):
        try:
            value = sample.inputs[modality]
            picture = _fit(load_image(value), height) if modality == "image" else _wave(value, height)
            sheet.paste(picture, (left + (_CELL - picture.width) // 2, top + number * height))
        except DecodeError as error:
            lines += textwrap.wrap(f"{modality}: {error}", 38)
    text = sample.inputs.get("text")
    for part in (sample.id, *([] if text is None else [str(text)]), f"= {shown_target(sample.target)}"):
        lines += textwrap.wrap(" ".join(part.split()), 38)
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], "..."]
    # Pillow's own font: no file of a machine is needed.
    font = ImageFont.load_default(size=12)
    ImageDraw.Draw(sheet).multiline_text((left, top + _CELL + 4), "\n".join(lines), fill=_INK, font=font)


def shown_target(target: Any) -> str:
    """A target on one line: of several answers the first, and how many there are."""
    if isinstance(target, list | tuple):
        return f"{target[0]} ({len(target)} in all)" if target else "none"
    return str(target)


def _fit(image: Image.Image, height: int) -> Image.Image:
    scale = min(_CELL / image.width, height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # A small image keeps its pixels, so that one sees what the model sees.
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)


def _wave(value: Any, height: int) -> Image.Image:
    """The range of samples in each column of pixels, full scale from top to bottom."""
    samples = load_audio(value).samples
    picture = Image.new("RGB", (_CELL, height), (240, 240, 240))
    draw = ImageDraw.Draw(picture)
    for x, part in enumerate(np.array_split(samples, _CELL)):
        if part.size:
            low, high = (height / 2 * (1 - float(np.clip(y, -1, 1))) for y in (part.min(), part.max()))
            draw.line((x, high, x, low), fill=_WAVE)
    return picture
