"""Reference of both tokenizers: Stanford's PTB tokenizer by way of pycocoevalcap's token list (see tests/reference)."""

import json
import unicodedata

import pytest

from mmbench.metrics.ptb_tokenizer import ptb_missing, ptb_tokenize
from mmbench.metrics.simple_tokenizer import simple_tokenize

needs_java = pytest.mark.skipif(ptb_missing() is not None, reason=f"the PTB tokenizer needs {ptb_missing()}")

BOTH = {
    "A man -- with a red T-shirt -- rides; isn't he fast?": "a man with a red t-shirt rides is n't he fast",
    "It's the dogs' bowl, and they've 'quoted' \"it\"...": "it 's the dogs bowl and they 've quoted it",
    "Someone cannot stop: gonna eat 1/2 of 10,000 at 12:30 p.m.": (
        "someone can not stop gon na eat 1/2 of 10,000 at 12:30 p.m."
    ),
    "A (small) {odd} [sign]": "a -lrb- small -rrb- -lcb- odd -rcb- -lsb- sign -rsb-",
    "50% off for $5 & more, Mr. Smith!": "50 % off for $ 5 & more mr. smith",
    "A café’s naïve sign": "a café 's naïve sign",
    "black/white o'clock": "black/white o'clock",
    "": "",
    " \t ": "",
    "...": "",
}

# Whatever separates words or lines, and what a program may take for the end of its input.
SPACE = [
    "\n",
    "\r",
    "\r\n",
    "\v",
    "\f",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x1f",
    "\x85",
    "\u2028",
    "\u2029",
    "\xa0",
    "\u3000",
    "\t",
]
CONTROL = [chr(code) for code in (*range(32), *range(127, 160), 0x200B, 0xAD, 0x2060, 0xFEFF, 0xFFFD, 0xFFFF, 0x1F436)]


@pytest.fixture(scope="module")
def ptb():
    """Tokens of every text of this module, by text, from one run."""
    if ptb_missing() is not None:
        pytest.skip(f"the PTB tokenizer needs {ptb_missing()}")
    texts = [
        *BOTH,
        *(f"a{space}b" for space in SPACE),
        *(f"A {sign} dog.{sign}" for sign in CONTROL),
        "",
        *CONTROL,
        "The end.",
    ]
    return dict(zip(texts, ptb_tokenize(texts), strict=True))


@pytest.mark.parametrize("text", BOTH)
def test_ptb(ptb, text):
    assert ptb[text] == BOTH[text]


@pytest.mark.parametrize("text", BOTH)
def test_simple_agrees_on_common_forms(text):
    assert simple_tokenize(text) == BOTH[text]


@pytest.mark.parametrize("space", SPACE, ids=ascii)
def test_white_space_of_any_kind_shifts_nothing(ptb, space):
    assert ptb[f"a{space}b"] == simple_tokenize(f"a{space}b") == "a b"


@pytest.mark.parametrize("sign", CONTROL, ids=ascii)
def test_control_characters_shift_nothing(ptb, sign):
    words = ptb[f"A {sign} dog.{sign}"].split()
    assert words[0] == "a"
    assert any(word.startswith("dog") for word in words)
    assert not {"end", "quoted"} & set(ptb[sign].split())
    assert ptb["The end."] == "the end"


def test_nothing_to_tokenise_starts_nothing(monkeypatch):
    pytest.importorskip("pycocoevalcap")
    monkeypatch.setattr("mmbench.metrics.java.subprocess.run", None)
    assert ptb_tokenize([]) == []


def test_simple_does_not_tell_composed_from_decomposed():
    text = "Señor with a jalapeño"
    assert simple_tokenize(text) == simple_tokenize(unicodedata.normalize("NFD", text)) == "señor with a jalapeño"


@pytest.mark.shared
@needs_java
def test_simple_equals_ptb_on_coco(shared):
    images = json.loads((shared / "caption" / "coco_open106" / "captions.json").read_text(encoding="utf-8"))
    captions = [caption for image in images for caption in image["captions"]]
    assert len(captions) == 530
    assert [simple_tokenize(caption) for caption in captions] == ptb_tokenize(captions)
