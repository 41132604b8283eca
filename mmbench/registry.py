"""One registry for tasks, models, fusions, encoders, adapters, data sets, metrics and shipped weights.

Installed packages register through entry points (group `mmbench.tasks`, `mmbench.models`, ...); code that is run with
`--plugin` registers with the `register` decorator. Nothing is imported before it is asked for by name.
"""

import ast
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import util
from importlib.machinery import PathFinder
from itertools import zip_longest
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from mmbench.errors import MMBenchError, UsageError, unknown_name

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Kind = Literal["task", "model", "fusion", "encoder", "adapter", "dataset", "metric", "weights"]
KINDS: tuple[Kind, ...] = get_args(Kind)

T = TypeVar("T")


class PluginWarning(UserWarning):
    """A plugin could not be used; the rest goes on."""


@dataclass(frozen=True)
class Entry:
    """One registered thing, not imported yet.

    Attributes:
        kind, name: its key.
        origin: the distribution or file it comes from.
        load: imports and returns it.
        summary: first line of its docstring, found without importing it.
    """

    kind: Kind
    name: str
    origin: str
    load: Callable[[], Any]
    summary: str


class Registry:
    """Names to things, by kind."""

    def __init__(self) -> None:
        self._local: dict[tuple[Kind, str], Entry] = {}
        self._file: Path | None = None
        self.files: list[Path] = []
        """Plugin files that were run, in order; what a run finds may depend on them."""

    @cached_property
    def _installed(self) -> dict[tuple[Kind, str], list["EntryPoint"]]:
        from importlib.metadata import entry_points  # noqa: PLC0415  # half the time of `import mmbench`

        found: dict[tuple[Kind, str], list[EntryPoint]] = {}
        points = entry_points()  # one scan of the environment for all groups
        for kind in KINDS:
            for point in points.select(group=_group(kind)):
                # The same distribution can be on the path twice (a checkout beside its installation): not a duplicate.
                same = found.setdefault((kind, point.name), [])
                if all((_origin(point), point.value) != (_origin(other), other.value) for other in same):
                    same.append(point)
        return found

    def register(self, kind: Kind, name: str) -> Callable[[T], T]:
        """Decorator that registers a class, function or object under `name`.

        Raises:
            UsageError: no such kind, or the name is taken; says by whom.
        """
        if kind not in KINDS:
            raise unknown_name("kind", kind, KINDS)

        def add(thing: T) -> T:
            taken = self._local.get((kind, name))
            owner = taken.origin if taken else ", ".join(map(_origin, self._installed.get((kind, name), [])))
            if owner:
                raise UsageError(f"{kind} {name!r} is already registered by {owner}; choose another name")
            defined = isinstance(thing, type) or hasattr(thing, "__code__")
            origin = str(self._file) if self._file else thing.__module__ if defined else "this program"
            # An object's docstring is that of its class, which says nothing about the object.
            summary = (thing.__doc__ or "").strip().split("\n")[0] if defined else ""
            self._local[kind, name] = Entry(kind, name, origin, lambda: thing, summary)
            return thing

        return add

    def unregister(self, kind: Kind, name: str) -> None:
        """Forget what `register` added, so that a test or a notebook can define it again."""
        self._local.pop((kind, name), None)

    @contextmanager
    def registering(self, file: Path) -> Iterator[None]:
        """What is registered within the context comes from `file`: all of it, and nothing if the context fails.

        A file that is run again replaces what it registered before.
        """
        before = self._local
        self._local = {key: entry for key, entry in before.items() if entry.origin != str(file)}
        self._file = file
        try:
            yield
        except BaseException:
            self._local = before
            raise
        finally:
            self._file = None

    def names(self, kind: Kind) -> list[str]:
        """All names of a kind, sorted."""
        keys = [*self._local, *self._installed]
        return sorted({name for key_kind, name in keys if key_kind == kind})

    def model_names(self) -> list[str]:
        """Every name that stands for a model: the models, and the fusions, which get encoders and a head."""
        return sorted({*self.names("model"), *self.names("fusion")})

    def entry(self, kind: Kind, name: str) -> Entry:
        """Find one entry without importing it.

        Raises:
            UsageError: no such name (with the nearest), or two distributions claim it.
        """
        if (kind, name) in self._local:
            return self._local[kind, name]
        points = self._installed.get((kind, name), [])
        if not points:
            raise unknown_name(kind, name, self.names(kind))
        if len(points) > 1:
            owners = " and ".join(f"{_origin(p)} ({p.value})" for p in points)
            raise UsageError(f"{kind} {name!r} is registered twice, by {owners}; uninstall one")
        point = points[0]
        return Entry(kind, name, _origin(point), point.load, _summary(point))

    def own_name(self, kind: Kind, alias: str) -> str:
        """Another name of what `alias` stands for now, or `alias` if it has none; nothing is imported.

        What is stored must name the thing itself: an alias such as a default may come to mean something else.
        """
        values = {point.value for point in self._installed.get((kind, alias), [])}
        others = (
            name
            for (other, name), points in self._installed.items()
            if other == kind and name != alias and any(point.value in values for point in points)
        )
        return min(others, default=alias)

    def load(self, kind: Kind, name: str) -> Any:
        """Import and return the thing registered under `name`.

        Raises:
            UsageError: no such name, two claim it, or its import failed (with the reason).
        """
        entry = self.entry(kind, name)
        try:
            return entry.load()
        except MMBenchError:
            raise
        # A plugin's import may fail in any way, or exit; the user needs the reason, not the trace.
        except (Exception, SystemExit) as error:
            raise UsageError(
                f"{kind} {name!r} of {entry.origin} cannot be imported: {type(error).__name__}: {error}"
            ) from error

    def load_all(self, kind: Kind) -> dict[str, Any]:
        """Import everything of a kind; what fails is left out with a `PluginWarning` that gives the reason."""
        loaded = {}
        for name in self.names(kind):
            try:
                loaded[name] = self.load(kind, name)
            except MMBenchError as error:
                warnings.warn(str(error), PluginWarning, stacklevel=2)
        return loaded


def _group(kind: Kind) -> str:
    return "mmbench.weights" if kind == "weights" else f"mmbench.{kind}s"


def _origin(point: "EntryPoint") -> str:
    return point.dist.name if point.dist else "unknown distribution"


def _summary(point: "EntryPoint") -> str:
    """First docstring line of what an entry point names, read from source so that nothing heavy is imported."""
    source = _source(point.module)
    if source is None:
        return "(cannot be found)"
    try:
        module = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError):  # a compiled module, or one that importing will explain
        return ""
    text = _docstring(module.body, point.attr.split(".")[0]) if point.attr else None
    return (text or ast.get_docstring(module) or "").split("\n")[0]


def _docstring(body: list[ast.stmt], name: str) -> str | None:
    """The docstring of a class, of a function, or of a variable: the string that stands below it."""
    for node, below in zip_longest(body, body[1:]):
        match node:
            case ast.ClassDef() | ast.FunctionDef() if node.name == name:
                return ast.get_docstring(node)
            case ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target)) if (
                target == name
            ):
                match below:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        return inspect.cleandoc(text)
    return None


def _source(module: str) -> Path | None:
    """The file of a module; unlike `importlib.util.find_spec` this does not import the packages it lies in."""
    name, *rest = module.split(".")
    try:
        spec = util.find_spec(name)
        for part in rest:
            if spec is None:
                return None
            name = f"{name}.{part}"
            spec = PathFinder.find_spec(name, spec.submodule_search_locations or [])
    except (ImportError, ValueError, KeyError):  # KeyError: a namespace package asks for its parent, not imported
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def load_plugin_file(path: Path) -> ModuleType:
    """Run a Python file the user named, so that its `register` decorators take effect; the module that it makes.

    Raises:
        UsageError: no such file, or it fails; the user asked for it, so the run stops.
    """
    if not path.is_file():
        raise UsageError(f"Python file {str(path)!r} does not exist")
    spec = util.spec_from_file_location(f"mmbench_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{str(path)!r} is not Python source (*.py)")
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and type hints look their module up by name
    try:
        with registry.registering(path):
            spec.loader.exec_module(module)
        if path not in registry.files:
            registry.files.append(path)
    except MMBenchError:
        raise
    except (Exception, SystemExit) as error:  # as in Registry.load: any failure, told with its reason
        raise UsageError(f"Python file {str(path)!r} fails: {type(error).__name__}: {error}") from error
    return module


registry = Registry()
register = registry.register


def plugin_hashes() -> dict[str, str]:
    """SHA-256 of each plugin file that was run, by its name; of files with one name together, in order."""
    contents: dict[str, list[bytes]] = {}
    for path in registry.files:
        contents.setdefault(path.name, []).append(path.read_bytes())
    return {
        name: sha256(parts[0] if len(parts) == 1 else b"".join(sha256(part).digest() for part in parts)).hexdigest()
        for name, parts in contents.items()
    }
