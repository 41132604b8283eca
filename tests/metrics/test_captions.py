"""What all metrics of captions share: rows, tokenising in `finish`, and which tokenizer ran."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from mmbench.cli import main
from mmbench.errors import HarnessError, UsageError
from mmbench.metrics.bleu import BLEU4
from mmbench.metrics.caption_length import CaptionLength
from mmbench.metrics.captions import tokenize
from mmbench.metrics.cider_d import CIDErD
from mmbench.metrics.java import find_java
from mmbench.metrics.metric import ERROR, as_columns, score_all
from mmbench.metrics.ptb_tokenizer import ptb_missing
from mmbench.sample import Prediction, Sample

needs_java = pytest.mark.skipif(ptb_missing() is not None, reason=f"the PTB tokenizer needs {ptb_missing()}")


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A PATH with only this folder on it; what is found on it is forgotten afterwards."""
    monkeypatch.setenv("PATH", str(tmp_path))
    find_java.cache_clear()
    tokenize.cache_clear()
    yield tmp_path
    find_java.cache_clear()


def program(path, name, script):
    (path / name).write_text(f"#!/bin/sh\n{script}\n")
    (path / name).chmod(0o755)


def rows(metric, *pairs):
    return as_columns(metric, [metric.row(Prediction(text), Sample("s", {}, target)) for text, target in pairs])


def tokens(metric, *pairs):
    finished = metric.finish(rows(metric, *pairs))
    return finished["candidate"].tolist(), [list(some) for some in finished["references"]]


def test_row_is_the_raw_text():
    metric = CaptionLength()
    assert metric.row(Prediction("A dog."), Sample("s", {}, ["A dog\nruns.", "Dogs"])) == (
        "A dog.",
        ["A dog\nruns.", "Dogs"],
    )
    assert metric.row(Prediction(""), Sample("s", {}, "one reference")) == ("", ["one reference"])


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        ("a", [], "no reference caption"),
        ("a", None, "no reference caption"),
        ("a", ["a", " \n\u2028"], "reference 2 of 2 is empty"),
        ("a", [""], "reference 1 of 1 is empty"),
        ("a", ["a", 5], "reference 2 of 2 is of type int; expected text"),
        (["a"], ["a"], "the caption is of type list; expected text"),
        ("a \ud83d", ["a"], r"the caption holds '\\ud83d', half of a character"),
        ("a", ["a", "b", "\udcff"], r"reference 3 of 3 holds '\\udcff', half of a character"),
    ],
)
def test_bad_text_fails_its_sample(prediction, target, message):
    with pytest.raises(ValueError, match=message):
        CaptionLength().row(Prediction(prediction), Sample("s", {}, target))


def test_finish_keeps_captions_with_their_references():
    metric = CaptionLength(tokenizer="simple")
    candidates, references = tokens(metric, ("A dog!", ["One.", "Two, two"]), ("", ["Three"]), ("x", ["4", "5", "6"]))
    assert candidates == ["a dog", "", "x"]
    assert references == [["one", "two two"], ["three"], ["4", "5", "6"]]


def test_references_of_one_number_each_stay_lists():
    _, references = tokens(CaptionLength(tokenizer="simple"), ("a", ["b", "c"]), ("d", ["e", "f"]))
    assert references == [["b", "c"], ["e", "f"]]


@pytest.mark.parametrize("metric", [CaptionLength, BLEU4, CIDErD])
def test_references_that_are_punctuation_only_fail_their_sample(metric):
    """One that is stays where another has words. The other images are scored as if it were not there."""
    metric = metric(tokenizer="simple")
    pairs = [("a dog", ["a dog runs", "..."]), ("a cat", ["...", "!"]), ("red", ["it is red"])]
    finished = metric.finish(rows(metric, *pairs))
    assert finished[ERROR].tolist() == [None, "every reference is empty after tokenisation", None]
    expected = metric.finish(rows(metric, pairs[0], pairs[2]))
    assert {name: values[[0, 2]].tolist() for name, values in finished.items() if name != ERROR} == {
        name: values.tolist() for name, values in expected.items()
    }
    assert metric.finish(rows(metric, pairs[1]))[ERROR].tolist() == ["every reference is empty after tokenisation"]


def test_references_that_are_punctuation_only_are_in_the_record(path, monkeypatch, capsys):
    monkeypatch.chdir(path)
    lines = [{"id": n, "prediction": "a dog", "references": said} for n, said in enumerate([["A dog."], ["...", "!"]])]
    Path("p.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    asked = ["--predictions", "p.jsonl", "--protocol", "tokenizer=simple", "--on-error", "skip", "--json"]
    assert main(["score", "--task", "captioning", *asked]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [failure["reason"] for failure in record["failures"]] == ["every reference is empty after tokenisation"]
    assert (record["metrics"]["bleu_1"]["value"], record["metrics"]["bleu_1"]["n"]) == (pytest.approx(1), 1)


@needs_java
def test_auto_is_ptb_where_it_can_run():
    ran = {"tokenizer": "ptb", "pycocoevalcap": version("pycocoevalcap"), "java": find_java().release}
    assert CaptionLength().settings() == ran
    assert CaptionLength(tokenizer="ptb").settings() == ran
    assert CaptionLength(tokenizer="simple").settings() == {"tokenizer": "simple"}


@pytest.mark.parametrize("script", [None, "echo no runtime >&2; exit 1"])
def test_without_java_auto_is_simple(path, script):
    if script is not None:
        program(path, "java", script)
    metric = CaptionLength()
    assert metric.settings() == {"tokenizer": "simple"}
    assert score_all(metric, [metric.row(Prediction("It's red."), Sample("s", {}, ["red"]))]) == 3
    with pytest.raises(UsageError, match=r"tokenizer=ptb needs Java, and PATH has no java that starts; tokenizer=simp"):
        BLEU4(tokenizer="ptb")


@needs_java
def test_without_the_package_auto_is_simple(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocoevalcap", None)
    assert CaptionLength().settings() == {"tokenizer": "simple"}
    with pytest.raises(UsageError, match=r"stanford-corenlp-3\.4\.1\.jar of the package pycocoevalcap: pip install"):
        CaptionLength(tokenizer="ptb")


def test_unknown_tokenizer():
    with pytest.raises(UsageError, match="unknown tokenizer of metric bleu_4 'ptbb'; did you mean 'ptb'"):
        BLEU4(tokenizer="ptbb")


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for java is a shell script")
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo one", "a Java program got 2 lines and answered with 1"),
        ("echo; echo; echo", "a Java program got 2 lines and answered with 3"),
        ("echo Exception: out of memory >&2; exit 3", "exit code 3: Exception: out of memory"),
        ("exit 1", "exit code 1: it said nothing"),
    ],
)
def test_a_program_that_answers_wrongly_ends_the_run(path, script, message):
    pytest.importorskip("pycocoevalcap")
    program(path, "java", f'if [ "$1" = -version ]; then exit 0; fi\nwhile read -r line; do :; done\n{script}')
    metric = CaptionLength(tokenizer="ptb")
    with pytest.raises(HarnessError, match=message):
        metric.finish(rows(metric, ("a", ["b"]), ("c", ["d"])))


@needs_java
def test_metrics_of_other_families_start_java_once(monkeypatch):
    tokenize.cache_clear()
    pairs = [("A dog runs.", ["The dog is running.", "A dog!"]), ("Cats", ["A cat's tail"])]
    CaptionLength().finish(rows(CaptionLength(), *pairs))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("mmbench.metrics.java.subprocess.run", None)
    assert BLEU4().finish(rows(BLEU4(), *pairs))["length"].tolist() == [3, 1]
