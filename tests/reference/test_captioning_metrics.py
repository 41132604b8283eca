"""References: pycocoevalcap's scorers, live on random captions and by the golden vectors made with them; METEOR 1.5."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from mmbench.metrics.bleu import BLEU1, BLEU2, BLEU3, BLEU4
from mmbench.metrics.caption_length import CaptionLength
from mmbench.metrics.captions import Captions
from mmbench.metrics.cider_d import CIDErD
from mmbench.metrics.meteor import METEOR
from mmbench.metrics.metric import as_columns
from mmbench.metrics.ptb_tokenizer import ptb_missing, ptb_tokenize
from mmbench.metrics.rouge_l import ROUGEL
from mmbench.sample import Prediction, Sample

needs_java = pytest.mark.skipif(ptb_missing() is not None, reason=f"the PTB tokenizer needs {ptb_missing()}")

BLEU = (BLEU1, BLEU2, BLEU3, BLEU4)


def reference(scorer, captions, **options):
    """What a scorer of pycocoevalcap says of tokenised captions: of the corpus, and of each image."""
    candidates = {i: [text] for i, text in enumerate(captions.candidates)}
    return scorer.compute_score(dict(enumerate(captions.references)), candidates, **options)


def sentences(shortest):
    return st.lists(st.sampled_from(["a", "b", "c", "d", "é", "e-f", "g.h"]), min_size=shortest, max_size=12).map(
        " ".join
    )


@st.composite
def corpora(draw):
    pairs = draw(
        st.lists(st.tuples(sentences(0), st.lists(sentences(1), min_size=1, max_size=4)), min_size=1, max_size=6)
    )
    return Captions([text for text, _ in pairs], [references for _, references in pairs])


@settings(max_examples=150, deadline=None)
@given(corpora())
def test_bleu_equals_pycocoevalcap(captions):
    expected, _ = reference(Bleu(4), captions, verbose=0)
    for metric, value in zip(BLEU, expected, strict=True):
        assert metric().aggregate(metric().measure(captions)) == pytest.approx(value, rel=1e-11, abs=1e-300)


@settings(max_examples=100, deadline=None)
@given(corpora())
def test_rouge_l_equals_pycocoevalcap(captions):
    expected, each = reference(Rouge(), captions)
    columns = ROUGEL().measure(captions)
    np.testing.assert_allclose(columns["score"], each, rtol=1e-12)
    assert ROUGEL().aggregate(columns) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(corpora())
def test_cider_d_equals_pycocoevalcap(captions):
    expected, each = reference(Cider(), captions)
    columns = CIDErD().measure(captions)
    np.testing.assert_allclose(columns["score"], each, rtol=1e-9, atol=1e-12)
    assert CIDErD().aggregate(columns) == pytest.approx(expected, rel=1e-9, abs=1e-12)


WORDS = """a the man woman is are riding rides ride horse horses big large on of in bike bicycle near n't 's café"""


@needs_java
def test_meteor_equals_the_jar():
    """Of the corpus, of each image, and of parts: which the jar aggregates, and we from sums."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS.split(), size=rng.integers(1, 12))) for _ in range(240)]
    captions = Captions(["", texts[1], *texts[2:40]], [texts[40 + 5 * i : 41 + 5 * i + i % 5] for i in range(40)])
    captions.references[1], captions.references[6] = [texts[1]], ["a", texts[6]]  # perfect matches have no penalty
    metric = METEOR()
    columns = metric.measure(captions)
    jar = Meteor()
    try:
        expected, each = reference(jar, captions)
        some, _ = reference(jar, Captions(captions.candidates[5:20], captions.references[5:20]))
    finally:
        jar.meteor_p.stdin.close()
        jar.meteor_p.wait()
        jar.meteor_p.stdout.close()
        jar.meteor_p.stderr.close()
    statistics = metric.statistics(columns)
    assert metric.aggregate(columns) == pytest.approx(expected, rel=1e-12)
    assert metric.value(statistics[5:20].sum(axis=0)) == pytest.approx(some, rel=1e-12)
    np.testing.assert_allclose(metric.value(statistics), each, rtol=1e-12)
    assert (each[0], each[1], each[6]) == (0, 1, 1)


@needs_java
def test_tokens_equal_pycocoevalcap():
    texts = [
        "A man -- isn't he (John's) \"friend\"?",
        "Two U.S. flags, 3.5 m by 2 1/2; etc.",
        "",
        "e-mail a@b.com, see http://x.org/y :-)",
        "He'll pay $5.50 & 10% of 1,000...",
        "naïve café’s “sign” — red/blue",
        "They've gotta go!! cannot",
        "don't, DON'T 'quoted' `x`",
        "in the U.S.",
        "Five p.m. [sic] {x} #1 @me *y*",
    ]
    found = PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(texts)})
    assert ptb_tokenize(texts) == [found[i][0] for i in range(len(texts))]


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden" / "captioning.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=["held_out", "next_image", "dropped_words"])
def tokenised(request, golden):
    """One set of the golden vectors, tokenised by the reference."""
    expected = golden["sets"][request.param]
    return expected, Captions(expected["candidate_tokens"], golden["reference_tokens"])


@pytest.mark.shared
def test_golden_bleu(tokenised):
    expected, captions = tokenised
    for order, metric in enumerate(BLEU, start=1):
        value = metric().aggregate(metric().measure(captions))
        assert value == pytest.approx(expected["corpus"][f"BLEU_{order}"], rel=1e-12)


@pytest.mark.shared
@pytest.mark.parametrize(("metric", "name"), [(ROUGEL, "ROUGE_L"), (CIDErD, "CIDEr")])
def test_golden_means(tokenised, metric, name):
    expected, captions = tokenised
    columns = metric().measure(captions)
    np.testing.assert_allclose(columns["score"], expected["per_image"][name], rtol=1e-9, atol=1e-12)
    assert metric().aggregate(columns) == pytest.approx(expected["corpus"][name], rel=1e-12)


@pytest.mark.shared
@needs_java
def test_golden_from_raw_captions(shared, golden):
    """Rows to tokens to METEOR; the three sets in one run each of the tokenizer and of METEOR, then taken apart."""
    images = json.loads((shared / "caption" / "coco_open106" / "captions.json").read_text(encoding="utf-8"))
    captions = {image["image_id"]: image["captions"] for image in images}
    references = [[captions[i][k] for k in golden["reference_caption_indices"]] for i in golden["image_ids"]]
    sets = list(golden["sets"].values())
    words, meteor = CaptionLength(tokenizer="ptb"), METEOR(tokenizer="ptb")
    rows = as_columns(
        words,
        [
            words.row(Prediction(candidate), Sample("s", {}, some))
            for expected in sets
            for candidate, some in zip(expected["candidates"], references, strict=True)
        ],
    )
    tokens, counts = words.finish(rows), meteor.finish(rows)
    for number, expected in enumerate(sets):
        part = slice(len(references) * number, len(references) * (number + 1))
        assert tokens["candidate"][part].tolist() == expected["candidate_tokens"]
        assert [list(some) for some in tokens["references"][part]] == golden["reference_tokens"]
        value = meteor.aggregate({name: column[part] for name, column in counts.items()})
        assert value == pytest.approx(expected["corpus"]["METEOR"], rel=1e-6)
