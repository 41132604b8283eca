"""Words of captions: what is said again reads for a metric as what was said."""

import json

import pytest

from mmbench.metrics.simple_tokenizer import simple_tokenize
from mmbench_baselines.models.caption_words import CaptionWords, join_words, split_words
from mmbench_tasks.captioning.datasets import scenes
from mmbench_tasks.captioning.readers import open_captions

CAPTIONS = {
    "A man's T-shirt, at 12:30 (p.m.)!": "a man's t-shirt, at 12:30 (p.m.)!",
    "No parking ; $ 10,000 fine ...": "no parking; $10,000 fine...",
    "Isn't it 1/2 full?": "isn't it 1/2 full?",
    "  two\u2028lines\tof text ": "two lines of text",
    "": "",
}


@pytest.mark.parametrize("caption", CAPTIONS)
def test_caption_comes_back_in_lower_case_and_in_print_spacing(caption):
    words = CaptionWords.of([caption], least=1)
    assert words.decode(words.encode(caption, longest=50)) == CAPTIONS[caption]


def check(captions):
    words = CaptionWords.of(captions, least=1)
    for caption in captions:
        again = words.decode(words.encode(caption, longest=100))
        assert simple_tokenize(again) == simple_tokenize(caption), caption


def test_scenes_read_the_same():
    samples = open_captions(scenes, "train")
    check([caption for index in range(0, len(samples), 10) for caption in samples[index].target])


@pytest.mark.shared
def test_captions_of_photographs_read_the_same(shared):
    entries = json.loads((shared / "caption" / "coco_open106" / "captions.json").read_text("utf-8"))
    check([caption for entry in entries for caption in entry["captions"]])


def test_words_are_those_that_occur_often_enough_in_a_fixed_order():
    words = CaptionWords.of(["b a", "A c.", "d"], least=2)
    assert words.words == ("a",)
    assert CaptionWords.of(["b a", "A c.", "d"], least=1).words == (".", "a", "b", "c", "d")
    assert len(words) == 5
    assert words.encode("a b a", longest=10) == [4, 3, 4, 2]
    assert words.encode("a b a", longest=2) == [4, 3, 2]


def test_decoding_stops_at_the_end_and_leaves_out_what_is_no_word():
    words = CaptionWords(["a", "b"])
    assert words.decode([1, 4, 3, 5, 0, 2, 4]) == "a b"
    assert words.decode([]) == ""


def test_split_and_join_are_inverse_on_words():
    words = split_words("Two shapes on a white background: two stars; one is pink and one is blue.")
    assert split_words(join_words(words)) == words
