"""Word and character error rates. Reference: jiwer 4 after whisper-normalizer (`golden/wer.json`)."""

import json
import tracemalloc

import numpy as np
import pytest

from mmbench.errors import UsageError
from mmbench.metrics.cer import CER
from mmbench.metrics.compounds import compound_edits
from mmbench.metrics.metric import as_columns, check_options, score_all
from mmbench.metrics.speech_text import NORMALIZERS, normalize
from mmbench.metrics.wer import WER
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample

METRICS = (WER, CER)


def row(metric, reference, hypothesis):
    return metric.row(Prediction(hypothesis), Sample("s", {}, reference))


def rows(metric, pairs):
    return as_columns(metric, [row(metric, *pair) for pair in pairs])


def test_are_registered():
    for metric in METRICS:
        assert registry.load("metric", metric.name) is metric
        assert not metric.higher_is_better


@pytest.mark.parametrize(
    ("reference", "hypothesis", "words", "characters"),
    [
        ("a cat sat", "a cat sat", (0, 0, 0, 3), (0, 0, 0, 9)),
        ("a cat sat", "a dog sat", (1, 0, 0, 2), (3, 0, 0, 6)),
        ("a cat sat", "a sat", (0, 1, 0, 2), (0, 4, 0, 5)),
        ("a cat sat", "a cat sat down", (0, 0, 1, 3), (0, 0, 5, 9)),
        ("a cat sat", "", (0, 3, 0, 0), (0, 9, 0, 0)),
        ("A cat, sat!", "a   cat sat", (0, 0, 0, 3), (0, 0, 0, 9)),
        ("three nine", "39", (0, 0, 0, 1), (0, 0, 0, 2)),
        ("the colour", "the color", (0, 0, 0, 2), (0, 0, 0, 9)),
    ],
)
def test_rows(reference, hypothesis, words, characters):
    assert row(WER(), reference, hypothesis) == words
    assert row(CER(), reference, hypothesis) == characters


def test_value_divides_sums_and_can_exceed_one():
    pairs = [("yes", "oh no no"), ("one of ten words here is wrong in this sentence", "one of ten words")]
    columns = rows(WER(), pairs)
    own = [WER().aggregate(rows(WER(), [pair])) for pair in pairs]
    assert own == [3.0, 0.6]
    assert WER().aggregate(columns) == pytest.approx((3 + 6) / (1 + 10))


def test_shards_sum_to_the_whole_and_leading_axes_stay():
    statistics = WER().statistics(rows(WER(), [("a b", "a"), ("c d e", "c d x"), ("f", "f")]))
    np.testing.assert_array_equal(statistics, [[1, 2], [1, 3], [0, 1]])
    merged = statistics[:1].sum(axis=0) + statistics[1:].sum(axis=0)
    np.testing.assert_allclose(WER().value(np.stack([merged, [0.0, 0.0]])), [2 / 6, np.nan])


@pytest.mark.parametrize("metric", METRICS)
def test_no_rows_give_nan(metric):
    assert np.isnan(metric().aggregate(as_columns(metric(), [])))


def test_details_count_the_kinds_of_error():
    pairs = [("a cat sat", "a dog sat down"), ("a cat sat", "cat sat")]
    assert WER().details(rows(WER(), pairs)) == {
        "substitutions": 1, "deletions": 1, "insertions": 1, "hits": 4, "reference_words": 6
    }  # fmt: skip
    assert CER().details(rows(CER(), pairs))["reference_characters"] == 18


def test_settings_name_what_normalised_and_aligned():
    settings = WER(normalizer="none").settings()
    assert settings.pop("jiwer").startswith("4.")
    assert settings.pop("whisper-normalizer")
    assert settings == {"normalizer": "none"}
    assert CER().settings()["normalizer"] == "whisper-english"


@pytest.mark.parametrize(
    ("normalizer", "errors"),
    [("whisper-english", 0), ("whisper-basic", 3), ("open-asr-subset", 0), ("none", 4)],
)
def test_normalizers_make_different_words(normalizer, errors):
    """Basic and none keep the number words; only none keeps the capital."""
    found = row(WER(normalizer=normalizer), "Three nine colours", "39 colors")
    assert sum(found[:3]) == min(errors, 3)
    assert sum(row(WER(normalizer=normalizer), "Yes it is", "yes it is")[:3]) == (normalizer == "none")


def test_none_leaves_white_space_to_jiwer():
    assert row(WER(normalizer="none"), "  a   b ", "a b") == (0, 0, 0, 2)
    assert row(CER(normalizer="none"), "  a  b ", "a b") == (0, 1, 0, 3)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("reference", ["", "   ", "(2 seconds of silence)", "[music] um"])
def test_empty_reference_is_an_error_that_says_so(metric, reference):
    with pytest.raises(ValueError, match=r"the reference .* is empty after normalisation \(whisper-english\)"):
        row(metric(), reference, "some text")


@pytest.mark.parametrize("metric", METRICS)
def test_open_asr_drops_empty_references(metric):
    metric = metric(normalizer="open-asr-subset")
    columns = rows(metric, [("(silence)", "some text"), ("a cat", "a dog"), ("um", "")])
    assert metric.selected(columns).tolist() == [False, True, False]
    assert metric.aggregate(columns) == metric.aggregate(rows(metric, [("a cat", "a dog")]))
    assert metric.details(metric.select(columns))[f"reference_{metric.unit}"] == {"wer": 2, "cer": 5}[metric.name]


@pytest.mark.parametrize("normalizer", ["whisper-english", "whisper-basic", "none"])
def test_other_protocols_select_all(normalizer):
    assert WER(normalizer=normalizer).selected(rows(WER(normalizer=normalizer), [("a", "b")])) is None


def test_options_are_checked():
    with pytest.raises(UsageError, match="unknown normalizer of metric wer 'whisper'; did you mean 'whisper-"):
        WER(normalizer="whisper")
    with pytest.raises(UsageError, match="unknown protocol option 'normaliser'; did you mean 'normalizer'"):
        check_options(METRICS, {"normaliser": "none"})
    for name in NORMALIZERS:
        assert CER(normalizer=name).chosen == {"normalizer": name}


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("the wifi is down", "the wi fi is down", (0, 0, 0, 4)),
        ("the wi fi is down", "the wifi is down", (0, 0, 0, 5)),
        ("white paper", "whitepaper", (0, 0, 0, 2)),
        ("whitepaper", "white paper", (0, 0, 0, 1)),
        ("ice cream cone", "icecreamcone", (0, 0, 0, 3)),
        ("a white paper", "the whitepaper now", (1, 0, 1, 2)),
        ("whitepaper", "white", None),  # nothing runs together: the usual edits
        ("a b", "c d", None),
        ("", "", None),
    ],
)
def test_compounds(reference, hypothesis, expected):
    assert compound_edits(reference.split(), hypothesis.split()) == expected


def test_compounds_of_long_texts_need_little_memory():
    """One row of the table of edits a time, and as many as a split word has parts."""
    reference = [f"word{n % 97}" for n in range(1000)]
    hypothesis = [word for n, word in enumerate(reference) if n % 10]
    hypothesis[500:500] = ["extra"]
    tracemalloc.start()
    try:
        found = compound_edits([*reference, "wi", "fi"], [*hypothesis, "wifi"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == (0, 100, 1, 902)
    assert peak < 2_000_000


def test_compounds_count_under_open_asr_only():
    assert row(WER(normalizer="open-asr-subset"), "Wi-Fi works", "wifi works") == (0, 0, 0, 3)
    assert sum(row(WER(), "Wi-Fi works", "wifi works")[:3]) == 2


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden" / "wer.json").read_text(encoding="utf-8"))


@pytest.mark.shared
def test_golden_pairs(golden):
    assert len(golden["pairs"]) == 200
    for pair in golden["pairs"]:
        reference, hypothesis = pair["reference"], pair["hypothesis"]
        assert normalize("whisper-english", reference) == pair["reference_normalized"]
        assert normalize("whisper-english", hypothesis) == pair["hypothesis_normalized"]
        words, characters = row(WER(), reference, hypothesis), row(CER(), reference, hypothesis)
        kinds = ("substitutions", "deletions", "insertions")
        assert sum(words[:3]) == sum(pair[kind] for kind in kinds)
        assert sum(characters[:3]) == sum(pair[f"char_{kind}"] for kind in kinds)
        if pair["split_is_unique"]:
            assert words == tuple(pair[kind] for kind in (*kinds, "hits"))
        assert score_all(WER(), [words]) == pair["wer"]
        assert score_all(CER(), [characters]) == pair["cer"]


@pytest.mark.shared
def test_golden_corpus(golden):
    sources = golden["by_source"] | {"": golden["corpus"]}
    for source, expected in sources.items():
        pairs = [(p["reference"], p["hypothesis"]) for p in golden["pairs"] if source in ("", p["source"])]
        for metric in (WER(), CER()):
            columns = rows(metric, pairs)
            assert metric.aggregate(columns) == expected[metric.name]
            if not source:
                details = metric.details(columns)
                prefix = "" if metric.name == "wer" else "char_"
                assert (
                    details["reference_words" if not prefix else "reference_characters"]
                    == (expected["reference_chars" if prefix else "reference_words"])
                )
                for kind in ("substitutions", "deletions", "insertions", "hits"):
                    assert details[kind] == expected[prefix + kind]
