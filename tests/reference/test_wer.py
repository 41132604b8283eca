"""References: jiwer 4 on whole corpora, a plain dynamic programme, and the normalisers of transformers."""

import json
from functools import cache
from importlib.resources import files

import jiwer
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers.models.whisper import english_normalizer

from mmbench.metrics.cer import CER
from mmbench.metrics.compounds import compound_edits
from mmbench.metrics.metric import as_columns
from mmbench.metrics.speech_text import normalize
from mmbench.metrics.wer import WER
from mmbench.sample import Prediction, Sample

WORDS = st.sampled_from(["a", "b", "ab", "cat", "the", "wi", "fi", "wifi", "39", "three", "nine", "don't", "Ünü"])
SENTENCES = st.lists(WORDS, max_size=8).map(" ".join)
FREE = st.text(st.characters(exclude_categories=["Cs"]), max_size=24)
TEXTS = st.one_of(SENTENCES, FREE)


def levenshtein(reference, hypothesis):
    """The usual dynamic programme, one row at a time."""
    before = list(range(len(hypothesis) + 1))
    for i, wanted in enumerate(reference, start=1):
        now = [i]
        for j, given_one in enumerate(hypothesis, start=1):
            now.append(min(before[j] + 1, now[j - 1] + 1, before[j - 1] + (wanted != given_one)))
        before = now
    return before[-1]


@pytest.mark.parametrize("normalizer", ["whisper-english", "whisper-basic", "none"])
@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6))
def test_equals_jiwer_and_the_plain_programme(normalizer, pairs):
    normalized = [(normalize(normalizer, r), normalize(normalizer, h)) for r, h in pairs]
    assume(all(reference.strip() for reference, _ in normalized))
    references, hypotheses = map(list, zip(*normalized, strict=True))
    for metric, process, units in (
        (WER(normalizer=normalizer), jiwer.process_words, str.split),
        (CER(normalizer=normalizer), jiwer.process_characters, lambda text: text.strip()),
    ):
        rows = as_columns(metric, [metric.row(Prediction(h), Sample("s", {}, r)) for r, h in pairs])
        expected = process(references, hypotheses)
        assert metric.aggregate(rows) == getattr(expected, metric.name)
        for kind in ("substitutions", "deletions", "insertions", "hits"):
            assert metric.details(rows)[kind] == getattr(expected, kind)
        for index, texts in enumerate(normalized):
            if any(" ".join(text.split()) != text.strip() for text in texts):
                continue  # jiwer splits at " " only, which makes a difference under `none`
            errors = sum(int(rows[kind][index]) for kind in ("substitutions", "deletions", "insertions"))
            assert errors == levenshtein(*map(units, texts))


def fewest(reference, hypothesis):
    """Fewest edits with free joining, by trying everything from the end."""

    @cache
    def best(i, j):
        ways = [i + j] if not (i and j) else []
        if i:
            ways.append(best(i - 1, j) + 1)
        if j:
            ways.append(best(i, j - 1) + 1)
        if i and j:
            ways.append(best(i - 1, j - 1) + (reference[i - 1] != hypothesis[j - 1]))
            ways += [best(k, j - 1) for k in range(i - 1) if "".join(reference[k:i]) == hypothesis[j - 1]]
            ways += [best(i - 1, k) for k in range(j - 1) if "".join(hypothesis[k:j]) == reference[i - 1]]
        return min(ways)

    return best(len(reference), len(hypothesis))


PIECES = st.lists(st.sampled_from(["a", "b", "aa", "ab", "aab", "baab"]), max_size=7)


@settings(max_examples=300, deadline=None)
@given(reference=PIECES, hypothesis=PIECES)
def test_compounds_equal_trying_everything(reference, hypothesis):
    edits = compound_edits(reference, hypothesis)
    if edits is None:
        assert fewest(reference, hypothesis) == levenshtein(reference, hypothesis)
    else:
        assert edits.substitutions + edits.deletions + edits.insertions == fewest(reference, hypothesis)
        assert edits.substitutions + edits.deletions + edits.hits == len(reference)
        assert min(edits) >= 0


@pytest.fixture(scope="module")
def transformers_english():
    spelling = files("whisper_normalizer").joinpath("normalizers/english.json").read_text(encoding="utf-8")
    return english_normalizer.EnglishTextNormalizer(json.loads(spelling))


SPOKEN = (
    "and a half point five one oh hundred thousand $20 £3 ¢7 million percent per cent double triple minus st th s 1 ½ "
    "colour ( ) [ ] wi-fi won't mr. it's hmm um Straße naïve o'clock 3.5 10th zero , . ?"
)


@settings(max_examples=200, deadline=None)
@given(text=st.lists(st.sampled_from(SPOKEN.split()), max_size=8).map(" ".join))
def test_normalisers_equal_those_of_transformers(transformers_english, text):
    """Except for kinda, sorta, dunno and cause, which only whisper-normalizer replaces."""
    assert normalize("whisper-english", text) == transformers_english(text)
    assert normalize("whisper-basic", text) == english_normalizer.BasicTextNormalizer()(text)
