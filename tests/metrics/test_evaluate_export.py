"""Our metrics as metrics of the evaluate library. Reference: the values that we compute, by hand."""

import importlib
import subprocess
import sys
import threading

import pytest

import mmbench.metrics
from mmbench.errors import UsageError
from mmbench.metrics import as_evaluate


def test_as_evaluate_computes_our_value():
    metric = as_evaluate("exact_match", normalization="squad")
    assert metric.name == "exact_match"
    assert metric.compute(predictions=["a cat", "b"], references=[["dog", "cat"], ["c"]]) == {"exact_match": 0.5}
    assert metric.compute(predictions=["a cat", "b"], references=["cat", "c"]) == {"exact_match": 0.5}
    metric.add(prediction="x", reference="x")
    metric.add_batch(predictions=["y"], references=["z"])
    assert metric.compute() == {"exact_match": 0.5}


def test_as_evaluate_takes_lists_only_where_the_metric_does():
    assert as_evaluate("macro_f1").compute(predictions=["a", "a"], references=["a", "b"])["macro_f1"] == pytest.approx(
        1 / 3
    )
    with pytest.raises(ValueError, match="don't match the expected format"):
        as_evaluate("accuracy").compute(predictions=["a"], references=[["a", "b"]])


def test_as_evaluate_in_two_processes(tmp_path):
    """As the library has it: all add, process 0 computes. They are threads here, which file locks tell apart."""
    found = {}

    def take_part(number, predictions, references):
        metric = as_evaluate(
            "exact_match", num_process=2, process_id=number, experiment_id="two", cache_dir=str(tmp_path)
        )
        found[number] = metric.compute(predictions=predictions, references=references)

    threads = [
        threading.Thread(target=take_part, args=(0, ["a"], ["a"])),
        threading.Thread(target=take_part, args=(1, ["b", "c"], ["x", "c"])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert found == {0: {"exact_match": pytest.approx(2 / 3)}, 1: None}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nll", "the evaluate library passes texts only; metric 'nll' needs the scores of all labels"),
        ("image_to_text_r_at_1", "the evaluate library passes texts only; metric 'image_to_text_r_at_1' needs more"),
        ("exact_mach", "unknown metric 'exact_mach'; did you mean 'exact_match'"),
    ],
)
def test_as_evaluate_refuses(name, message):
    with pytest.raises(UsageError, match=message):
        as_evaluate(name)


def test_as_evaluate_refuses_unknown_options():
    with pytest.raises(UsageError, match="unknown option of metric exact_match 'normalisation'"):
        as_evaluate("exact_match", normalisation="squad")


def test_library_is_imported_only_when_needed():
    code = """
import sys
import mmbench.metrics, mmbench.metrics.evaluate_library, mmbench.metrics.load
assert not {"evaluate", "datasets"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_as_evaluate_is_a_function_whatever_was_imported_before():
    importlib.import_module("mmbench.metrics.evaluate_export")
    assert callable(mmbench.metrics.as_evaluate)
    with pytest.raises(AttributeError, match="has no attribute 'as_evalute'"):
        mmbench.metrics.as_evalute  # noqa: B018
