"""What comes before a backbone (tokenizer, image processor, feature extractor) as texts that weights keep, and back."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmbench.adapters.hf.reading import quietly
from mmbench.errors import UsageError, first_line

_PLACES = ("name_or_path", "tokenizer_file", "vocab_file", "merges_file", "special_tokens_map_file")
"""Settings that say where something lay when it was saved."""

_UNREAD = (".jinja", ".py")
"""Templates of chats, and code, which is never run."""


def to_files(processor: Any, source: str) -> dict[str, str]:
    """What `save_pretrained` writes of a processor, text by file name, without the places where it came from.

    Raises:
        UsageError: it cannot be saved, or not as text.
    """
    try:
        with TemporaryDirectory() as folder, quietly():
            processor.save_pretrained(folder)
            return {path.name: _text(path, processor) for path in sorted(Path(folder).iterdir()) if _is_read(path)}
    except Exception as error:  # a foreign processor can make the library raise anything
        raise UsageError(
            f"hf:{source}: {type(processor).__name__} cannot be kept in weights: {first_line(error)}; "
            "expected one that save_pretrained writes as text, such as a tokenizer.json"
        ) from error


def from_files(files: Mapping[str, str], source: str, load: Callable[[str], Any]) -> Any:
    """The processor again.

    Args:
        files: as `to_files` gives them, and `config.json`, which names the kind of model.
        source: what an error calls the model.
        load: what reads a folder.

    Raises:
        UsageError: the texts are no processor's.
    """
    try:
        with TemporaryDirectory() as folder:
            for name, text in files.items():
                if name != Path(name).name:
                    raise UsageError(f"{name!r} is no name of a file")
                (Path(folder) / name).write_text(text, encoding="utf-8")
            return load(folder)
    except (UsageError, OSError, TypeError, ValueError) as error:
        raise UsageError(
            f"hf:{source}: its processor cannot be read from the weights, which hold {', '.join(files)} of it; "
            "train it again"
        ) from error


def _is_read(path: Path) -> bool:
    return path.is_file() and path.suffix not in _UNREAD


def _text(path: Path, processor: Any) -> str:
    if path.name == "tokenizer.json":
        return str(processor.backend_tokenizer.to_str())  # half as long as the file, which is indented
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        return text
    settings = json.loads(text)
    if isinstance(settings, dict):
        settings = {name: value for name, value in settings.items() if name not in _PLACES}
    return json.dumps(settings)
