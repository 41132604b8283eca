"""Reference: METEOR 1.5 itself, live in tests/reference; here the formula, and what happens without Java."""

import sys
from importlib.metadata import version

import numpy as np
import pytest

from mmbench.metrics.captions import Captions
from mmbench.metrics.java import find_java
from mmbench.metrics.meteor import METEOR
from mmbench.registry import registry
from mmbench.stats.intervals import interval


def sums(matched, length, reference_matched, reference_length, chunks, in_match):
    return np.array([matched, length, reference_matched, reference_length, chunks, in_match], dtype=float)


def test_formula_by_hand():
    # Precision 3/4, recall 3/5, two chunks over six words in matches.
    mean = 1 / (0.85 / (3 / 5) + 0.15 / (3 / 4))
    found = METEOR(tokenizer="simple").value(sums(3, 4, 3, 5, 2, 6))
    assert found == pytest.approx(mean * (1 - 0.6 * (2 / 3) ** 0.2))


def test_limits():
    metric = METEOR(tokenizer="simple")
    # Whole and in one piece (no chunk), no match, no candidate, nothing at all.
    stacked = np.stack([sums(2, 2, 2, 2, 0, 4), sums(0, 2, 0, 3, 0, 0), sums(0, 0, 0, 3, 0, 0), sums(*[0] * 6)])
    np.testing.assert_array_equal(metric.value(stacked[None]), [[1, 0, 0, np.nan]])


@pytest.fixture(params=["java", "package"])
def without(request, monkeypatch, tmp_path):
    if request.param == "java":
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        monkeypatch.setitem(sys.modules, "pycocoevalcap", None)
    find_java.cache_clear()
    yield "Java, and PATH has no java" if find_java() is None else "meteor-1.5.jar of the package pycocoevalcap"
    find_java.cache_clear()


def test_without_what_it_needs_there_is_no_score_and_a_reason(without):
    metric = METEOR()
    columns = metric.measure(Captions(["a", "b"], [["a"], ["b"]]))
    found = interval(metric, metric.select(columns), None)
    assert (found.value, found.low, found.n) == (None, None, 0)
    assert without in metric.settings()["not_computed"]
    assert without in metric.details(metric.select(columns))["not_computed"]
    assert metric.settings()["tokenizer"] == "simple"
    assert "java" not in metric.settings()


@pytest.mark.skipif(METEOR().lacking is not None, reason=f"METEOR needs {METEOR().lacking}")
def test_settings_name_the_versions_it_runs_by_whatever_tokenises():
    expected = {"tokenizer": "simple", "pycocoevalcap": version("pycocoevalcap"), "java": find_java().release}
    assert METEOR(tokenizer="simple").settings() == expected


def test_is_registered():
    assert registry.load("metric", "meteor") is METEOR
