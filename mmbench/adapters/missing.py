"""Packages that only some adapters need."""

from importlib import import_module
from types import ModuleType

from mmbench.errors import UsageError, first_line


def needed(module: str, extra: str, what: str) -> ModuleType:
    """Import a module of an optional package.

    Args:
        module: its import name.
        extra: of mmbench, that installs it.
        what: needs it, as `--model onnx:FILE`.

    Raises:
        UsageError: it is not installed, or cannot be imported; says how to get it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UsageError(f"{what} needs {module}: pip install 'mmbench[{extra}]' ({first_line(error)})") from error
