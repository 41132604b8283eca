"""The registry: decorators, entry points of real (temporary) distributions, and plugin files."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmbench.errors import UsageError
from mmbench.registry import KINDS, PluginWarning, Registry, load_plugin_file, plugin_hashes, registry

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution with entry points and modules into a temporary folder on sys.path."""
    monkeypatch.syspath_prepend(tmp_path)

    def add(distribution: str, points: dict[str, dict[str, str]], modules: dict[str, str] | None = None) -> None:
        folder = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        sections = [
            f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in names.items()) for group, names in points.items()
        ]
        (folder / "entry_points.txt").write_text("\n\n".join(sections) + "\n")
        for file, source in (modules or {}).items():
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")

    return add


@pytest.fixture
def forget() -> Iterator[None]:
    """Leave the global registry as it was, and import the tests' plugins anew each time."""
    yield
    for kind in KINDS:
        for name in registry.names(kind):
            if name.startswith("test-"):
                registry.unregister(kind, name)
    for name in [name for name in sys.modules if name.startswith(("plugin_bad", "plugin_good", "mmbench_plugin_"))]:
        del sys.modules[name]


def test_decorator_registers_and_unregister_forgets() -> None:
    fresh = Registry()

    @fresh.register("metric", "test-half")
    class Half:
        """Half of it.

        More.
        """

    entry = fresh.entry("metric", "test-half")
    assert fresh.load("metric", "test-half") is Half
    assert entry.summary == "Half of it."
    assert entry.origin == __name__
    assert "test-half" in fresh.names("metric")
    fresh.unregister("metric", "test-half")
    assert "test-half" not in fresh.names("metric")


def test_summary_of_an_object_is_not_that_of_its_class() -> None:
    fresh = Registry()
    fresh.register("dataset", "test-object")({"a": 1})
    assert fresh.entry("dataset", "test-object").summary == ""


def test_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown task 'vqaa'; did you mean 'vqa'\?"):
        registry.entry("task", "vqaa")


def test_unknown_name_without_a_near_one_gives_all() -> None:
    with pytest.raises(UsageError, match=r"unknown metric 'zzzzzz'; known: .*accuracy"):
        registry.load("metric", "zzzzzz")


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown kind 'fusoin'; did you mean 'fusion'"):
        registry.register("fusoin", "x")  # type: ignore[arg-type]


def test_two_decorators_with_one_name_are_refused() -> None:
    fresh = Registry()
    fresh.register("model", "test-twice")(lambda: 1)
    with pytest.raises(UsageError, match=f"model 'test-twice' is already registered by {__name__}"):
        fresh.register("model", "test-twice")(lambda: 2)
    assert fresh.load("model", "test-twice")() == 1


def test_decorator_may_not_take_the_name_of_an_entry_point(install: Install) -> None:
    install("first-dist", {"mmbench.models": {"test-taken": "first_mod:Thing"}})
    fresh = Registry()
    with pytest.raises(UsageError, match="model 'test-taken' is already registered by first-dist"):
        fresh.register("model", "test-taken")(object)


def test_two_distributions_with_one_name_are_refused_by_both_names(install: Install) -> None:
    install("first-dist", {"mmbench.models": {"test-shared": "first_mod:Thing"}})
    install("second-dist", {"mmbench.models": {"test-shared": "second_mod:Thing", "test-own": "second_mod:Thing"}})
    fresh = Registry()
    with pytest.raises(UsageError, match=r"registered twice, by .*first-dist.* and .*uninstall one") as caught:
        fresh.load("model", "test-shared")
    assert "second-dist (second_mod:Thing)" in str(caught.value)
    assert fresh.entry("model", "test-own").origin == "second-dist"


def test_same_name_in_two_kinds_is_no_duplicate(install: Install) -> None:
    install("first-dist", {"mmbench.models": {"test-both": "m:A"}, "mmbench.fusions": {"test-both": "m:B"}})
    fresh = Registry()
    assert fresh.entry("model", "test-both").kind == "model"
    assert fresh.entry("fusion", "test-both").kind == "fusion"


@pytest.mark.usefixtures("forget")
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("raise OSError('libfoo.so: cannot open')", "OSError: libfoo.so: cannot open"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("Other = 1", "AttributeError"),
    ],
)
def test_broken_plugin_warns_with_its_reason_and_stops_nothing_else(install: Install, source: str, reason: str) -> None:
    install(
        "half-broken",
        {"mmbench.metrics": {"test-bad": "plugin_bad:Thing", "test-good": "plugin_good:Thing"}},
        {"plugin_bad.py": source, "plugin_good.py": "class Thing: pass"},
    )
    with pytest.warns(PluginWarning) as caught:
        loaded = Registry().load_all("metric")
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 1
    assert messages[0].startswith("metric 'test-bad' of half-broken cannot be imported: ")
    assert reason in messages[0]
    assert loaded["test-good"].__name__ == "Thing"
    assert "accuracy" in loaded
    assert "test-bad" not in loaded


def test_summaries_come_from_source_without_any_import(install: Install) -> None:
    source = '''"""The module."""
raise RuntimeError("imported")
class Thing:
    """A class.

    With more.
    """
def make():
    """A function."""
value = make()
"""A variable."""
bare = 1
'''
    install(
        "lazy-dist",
        {
            "mmbench.models": {
                "test-class": "test_lazy.inner.mod:Thing",
                "test-function": "test_lazy.inner.mod:make",
                "test-variable": "test_lazy.inner.mod:value",
                "test-bare": "test_lazy.inner.mod:bare",
                "test-module": "test_lazy.inner.mod",
                "test-syntax": "test_lazy.syntax:Thing",
                "test-absent": "test_lazy.absent:Thing",
            }
        },
        {
            "test_lazy/__init__.py": "raise RuntimeError('imported')",
            "test_lazy/inner/__init__.py": "raise RuntimeError('imported')",
            "test_lazy/inner/mod.py": source,
            "test_lazy/syntax.py": "class (",
        },
    )
    fresh = Registry()
    summaries = {name: fresh.entry("model", name).summary for name in fresh.names("model") if name.startswith("test-")}
    assert summaries == {
        "test-class": "A class.",
        "test-function": "A function.",
        "test-variable": "A variable.",
        "test-bare": "The module.",
        "test-module": "The module.",
        "test-syntax": "",
        "test-absent": "(cannot be found)",
    }
    assert not [name for name in sys.modules if name.startswith("test_lazy")]


@pytest.mark.usefixtures("forget")
def test_plugin_file_registers_under_its_own_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from mmbench import register\n"
        "@register('model', 'test-mine')\n"
        "@dataclass\n"
        "class Mine:\n"
        "    '''My model.'''\n"
        "    size: int = 3\n"
    )
    load_plugin_file(file)
    entry = registry.entry("model", "test-mine")
    assert (entry.origin, entry.summary) == (str(file), "My model.")
    assert registry.load("model", "test-mine")().size == 3


@pytest.mark.usefixtures("forget")
def test_plugin_file_run_again_replaces_what_it_registered(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    for value in (1, 2):
        file.write_text(
            f"from mmbench import register\nregister('model', 'test-again')(lambda: {value})\n#{'x' * value}"
        )
        load_plugin_file(file)
        assert registry.load("model", "test-again")() == value


@pytest.mark.usefixtures("forget")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('done')", "SystemExit: done"),
        ("def (", "SyntaxError"),
    ],
)
def test_failing_plugin_file_says_why_and_leaves_nothing(tmp_path: Path, body: str, reason: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(f"from mmbench import register\nregister('model', 'test-partial')(object)\n{body}\n")
    with pytest.raises(UsageError) as caught:
        load_plugin_file(file)
    assert str(caught.value).startswith(f"Python file {str(file)!r} fails: ")
    assert reason in str(caught.value)
    assert "test-partial" not in registry.names("model")


@pytest.mark.usefixtures("forget")
def test_plugin_file_may_not_take_a_name(tmp_path: Path) -> None:
    file = tmp_path / "greedy.py"
    file.write_text("from mmbench import register\nregister('metric', 'accuracy')(object)\n")
    with pytest.raises(UsageError, match="metric 'accuracy' is already registered by mmbench; choose another name"):
        load_plugin_file(file)


def test_missing_plugin_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Python file '.*absent\.py' does not exist"):
        load_plugin_file(tmp_path / "absent.py")


def test_plugin_file_that_is_not_python(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello")
    with pytest.raises(UsageError, match="is not Python source"):
        load_plugin_file(file)


def test_plugins_of_one_name_are_both_hashed(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "files", [])
    files = [tmp_path / folder / "mine.py" for folder in "ab"]
    for number, file in enumerate(files):
        file.parent.mkdir()
        file.write_text(f"NUMBER = {number}\n")
    hashes = []
    for text in ("NUMBER = 0\n", "NUMBER = 5\n"):
        files[0].write_text(text)
        for file in files:
            load_plugin_file(file)
        hashes.append(plugin_hashes()["mine.py"])
    assert hashes[0] != hashes[1]
