"""SPICE needs parts of CoreNLP that no package brings, so a script answers in its place, in the form that it documents:
what the metric asks, how it reads the answer, and what it says is missing.
"""

import json
import sys

import pytest

from mmbench.errors import HarnessError, UsageError
from mmbench.metrics.captions import Captions
from mmbench.metrics.java import find_java
from mmbench.metrics.spice import SPICE
from mmbench.registry import registry

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for java is a shell script")

JARS = ("spice-1.0.jar", "lib/stanford-corenlp-3.6.0.jar", "lib/stanford-corenlp-3.6.0-models.jar")
JAVA_8, JAVA_11, JAVA_17 = (
    'java version "1.8.0_292"',
    'openjdk version "11.0.2"',
    'openjdk version "17.0.15" 2025-04-15',
)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Lay out a PATH with a java of this version, and a package with these jars."""

    def lay_out(version, jars=JARS, answer="exit 1"):
        if version is not None:
            script = f"#!/bin/sh\nif [ \"$1\" = -version ]; then echo '{version}' >&2; exit; fi\n{answer}\n"
            (tmp_path / "java").write_text(script)
            (tmp_path / "java").chmod(0o755)
        for jar in ("__init__.py", *jars):
            path = tmp_path / "pycocoevalcap" / ("spice" if jar.endswith("jar") else "") / jar
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pycocoevalcap", None)
    monkeypatch.delitem(sys.modules, "pycocoevalcap")
    monkeypatch.syspath_prepend(tmp_path)
    find_java.cache_clear()
    yield lay_out
    find_java.cache_clear()


@pytest.mark.parametrize(
    ("version", "jars", "message"),
    [
        (None, JARS, "metric spice needs Java, and PATH has no java that starts"),
        (JAVA_8, (), r"needs spice/spice-1\.0\.jar of the package pycocoevalcap: pip install 'mmbench\[captions\]'"),
        (JAVA_17, JARS, "needs Java 8 to 11; java is version 17"),
        (JAVA_8, JARS[:1], r"needs \S+3\.6\.0\.jar and \S+3\.6\.0-models\.jar of \S+ in the folder spice/lib"),
        (JAVA_11, JARS[:2], r"needs stanford-corenlp-3\.6\.0-models\.jar of stanford-corenlp-full-2015-12-09"),
    ],
)
def test_says_what_is_missing(machine, version, jars, message):
    machine(version, jars)
    with pytest.raises(UsageError, match=message) as caught:
        SPICE()
    assert "\n" not in str(caught.value)


def test_asks_and_reads_by_image(machine, monkeypatch):
    scores = [(1, 0.25), (0, 0.5)]
    answer = [{"image_id": i, "scores": {"All": {"f": f, "pr": 1.0}, "Size": {"f": None}}} for i, f in scores]
    folder = machine(
        JAVA_8, answer=f'IFS= read -r line < "$6" || :; echo "$line" > asked; echo \'{json.dumps(answer)}\' > "$8"'
    )
    monkeypatch.chdir(folder)
    metric = SPICE(tokenizer="simple")
    columns = metric.measure(Captions(["a dog", "a cat's"], [["the dog", "dogs"], ["cats"]]))
    assert columns["score"].tolist() == [0.5, 0.25]
    assert metric.aggregate(columns) == 0.375
    assert metric.settings()["java"] == "1.8.0_292"
    assert "pycocoevalcap" in metric.settings()
    assert json.loads((folder / "asked").read_text()) == [
        {"image_id": 0, "test": "a dog", "refs": ["the dog", "dogs"]},
        {"image_id": 1, "test": "a cat's", "refs": ["cats"]},
    ]


@pytest.mark.parametrize("answer", ["[]", "{", '[{"image_id": 0, "scores": {"All": {"f": null}}}]', "7"])
def test_an_answer_of_another_form_ends_the_run(machine, answer):
    machine(JAVA_8, answer=f"echo '{answer}' > \"$8\"")
    with pytest.raises(HarnessError, match="SPICE gave no score for each image"):
        SPICE(tokenizer="simple").measure(Captions(["a"], [["b"]]))


def test_is_registered():
    assert registry.load("metric", "spice") is SPICE
