"""`--model FILE.py:FACTORY`: a function in a Python file that gives a model, or a plain `torch.nn.Module`."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic_core import to_jsonable_python
from torch import nn

from mmbench.adapter import LoadedModel, Opening
from mmbench.adapters.module import as_model, state_sha256
from mmbench.errors import MMBenchError, UsageError, one_line, unknown_name
from mmbench.model import Stored
from mmbench.registry import load_plugin_file
from mmbench.setting import read_settings


def open_python(opening: Opening) -> LoadedModel:
    """A model of your own: FILE.py:FACTORY calls that function; --option sets its parameters.

    Raises:
        UsageError: there is no such file or function, it fails, or what it gives is no model for the task.
    """
    path, _, name = opening.argument.rpartition(":")
    if not (path and name):
        raise UsageError(f"expected FILE.py:FACTORY, not {opening.argument!r}")
    factory = _found(load_plugin_file(Path(path)), path, name)
    called = f"{Path(path).name}:{name}"
    options = read_settings(called, factory, opening.settings)
    try:
        made = factory(**options)
    except MMBenchError:
        raise
    except Exception as error:  # the file is foreign code
        raise UsageError(f"{called} fails: {one_line(error)}") from error
    model = as_model(made, opening.task, opening.labels, called)
    config: dict[str, Any] = {"factory": called, "options": {name: _plain(value) for name, value in options.items()}}
    if isinstance(model, Stored):
        config |= model.stored_config()
    sha256 = state_sha256(model) if isinstance(model, nn.Module) else None
    return LoadedModel(model, config, called if sha256 else None, sha256)


def _plain(value: object) -> Any:
    """A value as JSON; of a path only the name, since where it lies is of one machine."""
    return value.name if isinstance(value, Path) else to_jsonable_python(value, fallback=str)


def _found(module: ModuleType, path: str, name: str) -> Callable[..., object]:
    """Raises UsageError: there is no such function; says the nearest."""
    known = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
    if name not in known:
        raise unknown_name(f"function of {Path(path).name}", name, known)
    factory: Callable[..., object] = getattr(module, name)
    return factory
