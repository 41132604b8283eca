"""The normalisers of transcripts. Reference: whisper-normalizer, whose two classes must run as they are."""

import pytest
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from mmbench.metrics.speech_text import NORMALIZERS, normalize

TEXTS = [
    "",
    "  The colour of  twenty-one doctors' cars, Mr. Smith [laughs] (off) isn't grey!",
    "three nine won't go; $20 and five cents, 3 9, o'clock",
    "um, hmm: Straße, naïve Œuvre ½",
    "line\nbreak\ttab\u2028separator",
]


@pytest.mark.parametrize("text", TEXTS)
def test_whisper_normalisers_run_as_they_are(text):
    assert normalize("whisper-english", text) == EnglishTextNormalizer()(text)
    assert normalize("whisper-basic", text) == BasicTextNormalizer()(text)
    assert normalize("none", text) == text


@pytest.mark.parametrize("name", NORMALIZERS)
def test_nothing_stays_nothing(name):
    assert normalize(name, "").strip() == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The B B C and the U. S. A.", "the bbc and the usa"),
        ("rubout G M E F three nine", "rubout gmef 39"),
        ("a b", "a b"),  # "a" and "i" are words: two are no acronym
        ("i a b", "iab"),
        ("vitamin B 12", "vitamin b 12"),
        ("a big cat and I", "a big cat and i"),
        ("Ahhh, ummm, so er mhm yes uhm hmmm ehh no mmmm", "so yes no"),
        ("the summer of hum and her uh-huh", "the summer of hum and her huh"),
        ("It's the colour.", "it is the color"),
    ],
)
def test_rules_of_the_open_asr_subset(text, expected):
    assert normalize("open-asr-subset", text) == expected


def test_unknown_normaliser():
    with pytest.raises(ValueError, match="no normaliser 'whisper'; there are whisper-english"):
        normalize("whisper", "text")
