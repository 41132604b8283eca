"""Metrics of the evaluate library as ours. Reference: what their scripts compute, and our own on the same texts."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from mmbench.cli import main
from mmbench.engine.resolve import resolve_metrics, resolve_task
from mmbench.errors import UsageError
from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.exact_match import ExactMatch
from mmbench.metrics.load import load_metric
from mmbench.metrics.metric import as_columns, score_all
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample
from mmbench.stats.intervals import interval

SCRIPT = """
import datasets
import evaluate
import warnings

print("loaded")

class Script(evaluate.Metric):
    def _info(self):
        one = {{"predictions": datasets.Value({kind!r}), "references": datasets.Value({kind!r})}}
        many = {{**one, "references": datasets.Sequence(datasets.Value({kind!r}))}}
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="",
            features=[datasets.Features(form) for form in {forms}],
        )

    def _compute(self, predictions, references):
        print("computing")
        warnings.warn("computing")
        return {result}
"""
SHARE = "{'share': sum(p == r for p, r in zip(predictions, references)) / len(predictions), 'n': len(predictions)}"
ANY = "sum(p in r for p, r in zip(predictions, references)) / len(predictions)"


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def script(folder: Path, name: str, *, kind: str = "string", forms: str = "[one]", result: str = SHARE) -> str:
    """Write a script, and give what `--metric` takes for it."""
    path = folder / f"{name}.py"
    path.write_text(SCRIPT.format(kind=kind, forms=forms, result=result), encoding="utf-8")
    return f"evaluate:{path}"


def rows(metric, predictions, targets):
    pairs = zip(predictions, targets, strict=True)
    return [metric.row(Prediction(said), Sample(str(n), {}, target)) for n, (said, target) in enumerate(pairs)]


def test_script_gives_what_the_library_computes(tmp_path, capfd):
    kind = load_metric(script(tmp_path, "share_of_equal"))
    assert kind.name == "evaluate:share_of_equal"
    assert kind.higher_is_better
    metric = kind()
    rng = np.random.default_rng(0)
    targets, predictions = (rng.choice(["red", "blue", "green"], size=200).tolist() for _ in range(2))
    columns = as_columns(metric, rows(metric, predictions, targets))
    expected = np.mean(np.array(predictions) == np.array(targets))
    assert metric.aggregate(columns) == pytest.approx(expected, abs=1e-12)
    assert metric.details(columns) == {"entry": "share", "others": {"n": 200}}
    assert capfd.readouterr() == ("", "")


def test_interval_is_that_of_our_own_metric_on_the_same_resamples(tmp_path):
    """Reference: accuracy, whose rows are as many and whose resamples come from the same seed."""
    metric, groups = load_metric(script(tmp_path, "in_clusters"))(), np.repeat(np.arange(40), 3).astype(str)
    rng = np.random.default_rng(1)
    targets, predictions = (rng.choice(["red", "blue"], size=120).tolist() for _ in range(2))
    found = interval(metric, as_columns(metric, rows(metric, predictions, targets)), groups, resamples=99)
    ours = Accuracy()
    reference = interval(ours, as_columns(ours, rows(ours, predictions, targets)), groups, resamples=99)
    assert found.method == reference.method == "clustered-bootstrap"
    assert (found.value, found.low, found.high) == pytest.approx((reference.value, reference.low, reference.high))


def test_parts_sum_to_the_whole_and_later_rows_change_nothing(tmp_path):
    metric = load_metric(script(tmp_path, "in_parts"))()
    columns = as_columns(metric, rows(metric, ["a", "b", "c", "a"], ["a", "b", "x", "a"]))
    whole = metric.statistics(columns).sum(axis=0)
    parts = [metric.statistics({k: v[part] for k, v in columns.items()}).sum(axis=0) for part in ([0, 1], [2, 3])]
    np.testing.assert_array_equal(sum(parts), whole)
    metric.statistics(as_columns(metric, rows(metric, ["new"], ["row"])))
    values = metric.value(np.stack([[whole, 0 * whole], [2 * whole, parts[0]]]))
    np.testing.assert_array_equal(values, [[0.75, np.nan], [0.75, 1.0]])


def test_references_are_lists_where_the_metric_takes_lists(tmp_path):
    for forms in ("[many]", "[one, many]", "[many, one]"):
        metric = load_metric(script(tmp_path, "any_of", forms=forms, result=ANY))()
        made = rows(metric, ["red", "blue", "green"], [["red", "crimson"], ["navy"], "green"])
        assert made == [("red", ["red", "crimson"]), ("blue", ["navy"]), ("green", ["green"])]
        assert score_all(metric, made) == pytest.approx(2 / 3)
        table = pa.table({"prediction": [said for said, _ in made], "reference": [right for _, right in made]})
        stored = {name: table[name].to_numpy() for name in table.column_names}  # as the table of samples gives them
        assert metric.aggregate(stored) == pytest.approx(2 / 3)


def test_several_references_are_refused_where_it_takes_one(tmp_path):
    metric = load_metric(script(tmp_path, "takes_one"))()
    assert metric.row(Prediction("red"), Sample("s", {}, ["red"])) == ("red", "red")
    with pytest.raises(ValueError, match="evaluate:takes_one takes one reference a sample; this one has 2"):
        metric.row(Prediction("red"), Sample("s", {}, ["red", "blue"]))
    with pytest.raises(ValueError, match="the sample has no answer"):
        metric.row(Prediction("red"), Sample("s", {}, None))


@pytest.mark.parametrize(("kind", "text", "number"), [("int32", "7", 7), ("float32", "0.5", 0.5)])
def test_numbers_are_parsed(tmp_path, kind, text, number):
    metric = load_metric(script(tmp_path, f"numbers_{kind}", kind=kind))()
    assert metric.row(Prediction(text), Sample("s", {}, text)) == (number, number)
    assert score_all(metric, rows(metric, [text, "1"], [text, "2"])) == 0.5
    with pytest.raises(ValueError, match=f"evaluate:numbers_{kind} takes (whole )?numbers, not 'red'"):
        metric.row(Prediction("red"), Sample("s", {}, text))


@pytest.mark.parametrize(
    ("result", "value", "details"),
    [
        ("0.25", 0.25, {"entry": "entries", "others": {}}),
        ("{'first': 1, 'entries': 0.5}", 0.5, {"entry": "entries", "others": {"first": 1}}),
        (
            "{'text': 'x', 'list': [1, float('nan')], 'b': 3}",
            3,
            {"entry": "b", "others": {"text": "x", "list": [1, None]}},
        ),
        ("{'none': None, 'flag': True}", np.nan, {"entry": None, "others": {"none": None, "flag": True}}),
        ("{'a': __import__('numpy').float32(0.5)}", 0.5, {"entry": "a", "others": {}}),
        ("{'nested': {1: [0.5]}}", np.nan, {"entry": None, "others": {"nested": {"1": [0.5]}}}),
        ("[][0]", np.nan, {"not_computed": "IndexError: list index out of range"}),
        (
            "open('/somewhere/at/home/words.txt')",
            np.nan,
            {"not_computed": "FileNotFoundError: home/words.txt: No such file or directory"},
        ),
    ],
)
def test_which_entry_is_the_value(tmp_path, result, value, details):
    """The one that is called as the metric, else the first number; the others are told beside it."""
    metric = load_metric(script(tmp_path, "entries", result=result))()
    columns = as_columns(metric, rows(metric, ["a"], ["a"]))
    np.testing.assert_equal(metric.aggregate(columns), value)
    assert metric.details(columns) == details


def test_error_rates_are_better_when_low(tmp_path):
    assert not load_metric(script(tmp_path, "wer")).higher_is_better


def test_settings_say_what_ran_and_where_it_lay_is_no_matter(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    found = [load_metric(script(folder, "moved"))().settings() for folder in (tmp_path, tmp_path / "elsewhere")]
    assert found[0] == found[1]
    assert re.fullmatch("[0-9a-f]{64}", found[0]["script_sha256"])
    assert str(tmp_path) not in json.dumps(found)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing", None, "metric script .*missing.py: no such file"),
        (
            "broken",
            "import evaluate\nraise RuntimeError('two\\nlines')\n",
            "RuntimeError: two lines; expected a script",
        ),
        ("empty", "x = 1\n", "cannot be loaded: .*; expected a script that defines a subclass of evaluate.Metric"),
        ("lacking", "import nowhere_to_be_found\n", "needs a package that is missing: .*nowhere_to_be_found"),
    ],
)
def test_scripts_that_cannot_be_loaded(tmp_path, name, content, message):
    path = tmp_path / f"{name}.py"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        load_metric(f"evaluate:{path}")
    assert "\n" not in str(caught.value)


def test_metrics_that_take_something_else_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"takes .*'sources'.*; expected predictions that are texts or numbers"):
        load_metric(script(tmp_path, "other", forms="[{**one, 'sources': datasets.Value('string')}]"))
    with pytest.raises(UsageError, match=r"takes .*bool.*; expected predictions that are texts or numbers"):
        load_metric(script(tmp_path, "boolean", kind="bool"))


@pytest.mark.parametrize("name", ["no_such_metric_at_all", "somebody/metric", "", "my metric", "folder/"])
def test_names_without_a_metric(name, tmp_path, monkeypatch):
    """A folder of that name here is not run: only a path that ends in .py is a path."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / (name or "x")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{folder.name}.py").write_text("raise SystemExit('run')", encoding="utf-8")
    with pytest.raises(UsageError, match=r"evaluate:.*PATH\.py|expected the name of a metric"):
        load_metric(f"evaluate:{name}")


@pytest.mark.parametrize("place", ["evaluate-metric/bleu", "bleu", "metrics/bleu", "."])
def test_code_in_the_working_directory_is_not_run(place, tmp_path, monkeypatch):
    """The library itself would run the first for `evaluate-metric/bleu`, and the second for `bleu`."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bleu.py").write_text("open('was_run', 'w').close()", encoding="utf-8")
    with pytest.raises(UsageError, match="would run in place of" if "-" in place else r"neither stored here nor"):
        load_metric("evaluate:bleu")
    assert not (tmp_path / "was_run").exists()


def test_command_line(tmp_path, monkeypatch, capfd):
    """Through `mmbench eval`: value, interval and details, and no path of this machine in the record."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "files", [])
    threads = torch.get_num_threads()
    run = ["--limit", "200", "--workers", "0", "--threads", "1", "--device", "cpu", "--json"]
    asked = ["--metric", "accuracy", "--metric", script(tmp_path, "share_equal")]
    try:
        code = main(["eval", "--model", "majority", "--task", "vqa", *run, *asked])
    finally:
        torch.set_num_threads(threads)
    printed = capfd.readouterr()
    assert (code, printed.err) == (0, "")
    record = json.loads(printed.out)
    found, ours = record["metrics"]["evaluate:share_equal"], record["metrics"]["accuracy"]
    assert found["value"] == pytest.approx(ours["value"])
    assert found["low"] < found["value"] < found["high"]
    assert (found["n"], found["method"]) == (200, "clustered-bootstrap")
    assert record["details"]["evaluate:share_equal"] == {"entry": "share", "others": {"n": 200}}
    assert str(tmp_path) not in printed.out


def test_resolved_beside_the_metrics_of_a_task(tmp_path):
    metrics = resolve_metrics(resolve_task("vqa"), None, [script(tmp_path, "beside")], {})
    assert list(metrics)[-1] == "evaluate:beside"


def test_ours_to_the_library_and_back(tmp_path):
    """A script that hands out our exact match gives what our exact match gives."""
    path = tmp_path / "ours.py"
    path.write_text(
        "import evaluate\n"
        "from mmbench.metrics import as_evaluate\n"
        "class Ours(evaluate.Metric):\n"
        "    def _info(self):\n"
        "        return as_evaluate('exact_match').info\n"
        "    def _compute(self, **texts):\n"
        "        return as_evaluate('exact_match').compute(**texts)\n",
        encoding="utf-8",
    )
    ours, back = ExactMatch(), load_metric(f"evaluate:{path}")()
    predictions, targets = ["Red", "blue", "", "x"], [["red", "crimson"], ["navy"], [""], ["y", "x"]]
    assert (
        score_all(back, rows(back, predictions, targets)) == score_all(ours, rows(ours, predictions, targets)) == 0.75
    )
