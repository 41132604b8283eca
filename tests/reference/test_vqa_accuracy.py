"""Metrics of answers to questions against references.

- VQA accuracy: vectors made with the official evaluation code, and its rule written out in plain steps.
- Exact match: torchmetrics' SQuAD.
- ANLS: equation 1 of the paper, with a Levenshtein distance by its recurrence.
"""

import json
import re
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torchmetrics.functional.text import squad

from mmbench.metrics.anls import ANLS
from mmbench.metrics.exact_match import ExactMatch
from mmbench.metrics.vqa_accuracy import VQAAccuracy, VQAAccuracyNormalized
from mmbench.sample import Prediction, Sample

PIECES = st.sampled_from(
    [
        *";/[]\"{}()=+\\_-><@`,?!.:'$ \t\n\r",
        *("1", "20", "1,000", ".5", "3.", "a", "The", "an", "none", "Ten", "eleven", "red", "BLUE", "é", "’", "\u00a0"),
        *("dont", "Isn't", "couldnt've", "y'all'dve", "oclock", "'ows'at", "ive", "she's"),
    ]
)
TEXTS = st.lists(PIECES, max_size=6).map("".join)


def value(metric, prediction, answers):
    (found,) = metric.row(Prediction(prediction), Sample("s", {}, answers))
    return found


@pytest.mark.shared
def test_official_vectors(shared):
    """Reference: 1,500 questions scored by the official evaluation code."""
    cases = [json.loads(line) for line in (shared / "golden" / "vqa_accuracy.jsonl").read_text("utf-8").splitlines()]
    assert len(cases) == 1_500
    found = {case["id"]: value(VQAAccuracy(), case["prediction"], case["answers"]) for case in cases}
    assert found == {case["id"]: case["accuracy"] for case in cases}


@settings(deadline=None, max_examples=300)
@given(prediction=TEXTS, vocabulary=st.lists(TEXTS, min_size=1, max_size=3), data=st.data())
def test_equals_the_rule_in_plain_steps(prediction, vocabulary, data):
    said = [*vocabulary, vocabulary[0].upper(), f" {vocabulary[0]}", prediction]
    answers = data.draw(st.lists(st.sampled_from(said), min_size=2, max_size=10))
    assert value(VQAAccuracy(), prediction, answers) == float(plain_accuracy(prediction, answers, always=False))
    assert value(VQAAccuracyNormalized(), prediction, answers) == float(
        plain_accuracy(prediction, answers, always=True)
    )


def plain_accuracy(prediction, answers, *, always):
    """Each answer is left out in turn; `always` normalises unanimous answers too."""
    texts = [text.replace("\n", " ").replace("\t", " ").strip() for text in [prediction, *answers]]
    if always or len(set(texts[1:])) > 1:
        texts = [plain_normalization(text) for text in texts]
    said, *given_answers = texts
    total = Fraction(0)
    for left_out in range(len(given_answers)):
        others = [answer for position, answer in enumerate(given_answers) if position != left_out]
        total += min(Fraction(1), Fraction(others.count(said), 3))
    return total / len(given_answers)


def plain_normalization(text):
    found = text
    for mark in ';/[]"{}()=+\\_-><@`,?!':
        beside_space = mark + " " in text or " " + mark in text
        found = found.replace(mark, "" if beside_space or re.search(r"\d,\d", text) else " ")
    for _ in range(32):
        found = re.sub(r"\.(?!\d)", "", found, count=1)
    numbers = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    words = ["0" if word == "none" else word for word in found.lower().split()]
    words = [str(numbers.index(word)) if word in numbers else word for word in words]
    apostrophes = {"dont": "don't", "couldnt've": "couldn't've", "y'all'dve": "y'all'd've"}
    apostrophes |= {"oclock": "o'clock", "'ows'at": "'ow's'at"}
    return " ".join(apostrophes.get(word, word) for word in words if word not in ("a", "an", "the"))


@settings(deadline=None, max_examples=100)
@given(prediction=TEXTS, answers=st.lists(TEXTS, min_size=1, max_size=4), copied=st.booleans())
def test_exact_match_equals_squad_of_torchmetrics(prediction, answers, copied):
    """Both are about ASCII punctuation; an answer is often repeated in another form, so that some match."""
    said = f"the {answers[-1].upper()}!" if copied else prediction
    reference = squad(
        [{"prediction_text": said, "id": "s"}], [{"answers": {"answer_start": [0], "text": answers}, "id": "s"}]
    )
    assert value(ExactMatch(normalization="squad"), said, answers) == reference["exact_match"].item() / 100


@settings(deadline=None, max_examples=200)
@given(prediction=st.text("abc ", max_size=8), answers=st.lists(st.text("abc ", max_size=8), min_size=1, max_size=3))
@example("ab", ["ac"])  # a distance of exactly half the length
@example("", [""])
def test_anls_equals_the_formula_of_the_paper(prediction, answers):
    """Reference: Biten et al. 2019, equation 1, with a threshold of 0.5; 0 / 0 is no distance."""
    best = Fraction(0)
    for answer in answers:
        a, b = " ".join(answer.split()), " ".join(prediction.split())
        nl = Fraction(levenshtein(a, b), max(len(a), len(b), 1))
        best = max(best, 1 - nl if nl < Fraction(1, 2) else Fraction(0))
    assert value(ANLS(), prediction, answers) == pytest.approx(float(best), abs=1e-15)


def levenshtein(a, b):
    if not a or not b:
        return len(a) + len(b)
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        above, row = row, [i]
        for j, other in enumerate(b, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != other)))
    return row[-1]
