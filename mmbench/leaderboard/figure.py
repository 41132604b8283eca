"""Figures as files: SVG or PNG, whole or not at all, the same bytes for the same content."""

import tempfile
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.errors import UsageError
from mmbench.leaderboard.output import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Whatever the user's style is; the salt makes names within an SVG the same each time; a name may have a dollar sign.
_STYLE = {"svg.hashsalt": "mmbench", "text.parse_math": False, "axes.spines.top": False, "axes.spines.right": False}
_DPI = 150


def check_figure(path: Path) -> None:
    """Refuse a file that no figure can be written to, before time is spent on what it shows.

    Raises:
        UsageError: the suffix is neither .svg nor .png, or its folder is not there or cannot be written to.
    """
    _check_suffix(path)
    try:
        if path.is_dir():
            raise UsageError(f"cannot write {path}: it is a folder")
        if not path.parent.is_dir():
            raise UsageError(f"cannot write {path}: there is no folder {path.parent}")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in (".svg", ".png"):
        raise UsageError(f"a figure is written as .svg or .png, not {path.suffix or 'without a suffix'}: {path}")


def write_figure(path: Path, size: tuple[float, float], draw: "Callable[[Figure], None]") -> None:
    """Write a figure; an existing file is replaced.

    Args:
        path: ends in .svg or .png.
        size: width and height in inches.
        draw: puts axes on the figure.

    Raises:
        UsageError: another suffix.
        HarnessError: it cannot be written.
    """
    _check_suffix(path)
    from matplotlib import style  # noqa: PLC0415  # takes half a second
    from matplotlib.figure import Figure  # noqa: PLC0415

    kind = path.suffix.lower().removeprefix(".")
    buffer = BytesIO()
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a box stands for it
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(buffer, format=kind, dpi=_DPI, metadata={"Date": None} if kind == "svg" else None)
    write_file(path, buffer.getvalue())
