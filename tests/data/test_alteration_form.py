"""Alterations as they are given and written: equal where they alter alike, refused where they cannot be."""

import json

import pytest

from mmbench.data.alteration import Alteration, parse_alteration
from mmbench.errors import UsageError


def test_parsed_and_written_are_the_same():
    found = parse_alteration(["text"], ["audio"], ["image=gaussian:0.3", "audio=white:1", "image=blur:0"], seed=2)
    assert found == Alteration(
        ("text",), ("audio",), (("image", "gaussian", 0.3), ("audio", "white", 1.0), ("image", "blur", 0.0)), 2
    )
    written = json.loads(json.dumps(found.to_json()))
    assert written == {
        "drop": ["text"],
        "shuffle": ["audio"],
        "noise": ["audio=white:1", "image=gaussian:0.3"],
        "seed": 2,
    }
    assert Alteration.from_json(written).to_json() == written
    assert found.label() == "without text, audio shuffled, audio white 1, image gaussian 0.3"
    assert found.title() == f"{found.label()} (seed 2)"
    assert Alteration(drop=("text", "image"), seed=2).title() == "without image, without text"
    assert Alteration.from_json(None) == Alteration.from_json({}) == Alteration()


def test_what_alters_alike_is_equal():
    blur, typo = ("image", "blur", 0.5), ("text", "typo", 0.5)
    assert Alteration(drop=("text", "image")) == Alteration(drop=("image", "text"))
    assert len({Alteration(shuffle=("text", "image")), Alteration(shuffle=("image", "text"))}) == 1
    assert Alteration(noise=(typo, blur)) == Alteration(noise=(blur, typo))
    assert Alteration(drop=("audio",)) != Alteration(drop=("text",))


def test_same_alterations_are_written_alike():
    one = Alteration(("text", "audio"), noise=(("image", "blur", 0.5),))
    assert (
        Alteration(("audio", "text"), noise=(("image", "blur", 0.5), ("image", "colour", 0.0))).to_json()
        == one.to_json()
    )
    blur, colour = ("image", "blur", 0.5), ("image", "colour", 0.5)
    assert Alteration(noise=(blur, colour)).to_json() != Alteration(noise=(colour, blur)).to_json()


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ("image", "--noise expects MODALITY=NAME:LEVEL, as in image=gaussian:0.3, not 'image'"),
        ("image=gaussian", "expects MODALITY=NAME:LEVEL"),
        ("gaussian:0.3", "expects MODALITY=NAME:LEVEL"),
        ("image=:0.3", "expects MODALITY=NAME:LEVEL"),
        ("image=gaussian:1.5", "--noise image=gaussian:1.5: the level must be a number from 0 to 1, not '1.5'"),
        ("image=gaussian:-0.1", "a number from 0 to 1"),
        ("image=gaussian:nan", "a number from 0 to 1, not 'nan'"),
        ("image=gaussian:loud", "a number from 0 to 1, not 'loud'"),
        ("image=gaussian:", "a number from 0 to 1, not ''"),
    ],
)
def test_noise_of_another_form_is_refused(noise, message):
    with pytest.raises(UsageError) as caught:
        parse_alteration([], [], [noise])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"drop": ("imag",)}, "unknown modality in --drop 'imag'; did you mean 'image'?"),
        ({"shuffle": ("txt",)}, "unknown modality in --shuffle 'txt'; did you mean 'text'?"),
        ({"noise": (("imgae", "gaussian", 0.1),)}, "unknown modality in --noise 'imgae'; did you mean 'image'?"),
        ({"noise": (("image", "blurr", 0.1),)}, "unknown noise of image 'blurr'; did you mean 'blur'"),
        ({"noise": (("text", "blur", 0.0),)}, "unknown noise of text 'blur'; known: drop, swap, typo"),
    ],
)
def test_names_that_are_not_there_give_the_nearest(given, message):
    with pytest.raises(UsageError) as caught:
        Alteration(**given).check(("image", "text"))
    assert str(caught.value).startswith(message)


def test_modality_without_noises_says_so():
    with pytest.raises(UsageError, match="unknown noise of video 'blur'; none is installed"):
        Alteration(noise=(("video", "blur", 0.5),)).check(("video",))
    Alteration(drop=("video",)).check(("video",))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"drop": ("text", "text")}, "--drop names 'text' twice"),
        ({"shuffle": ("text", "text")}, "--shuffle names 'text' twice"),
        ({"drop": ("text",), "shuffle": ("text",)}, "'text' is dropped, so --shuffle has nothing of it to alter"),
        ({"drop": ("text",), "noise": (("text", "typo", 0.1),)}, "'text' is dropped, so --noise has nothing"),
        ({"noise": (("text", "typo", 0.1), ("text", "typo", 0.2))}, "--noise names text=typo twice"),
        ({"noise": (("text", "typo", 1.1),)}, "--noise text=typo:1.1: the level must be from 0 to 1"),
        ({"noise": (("text", "typo", float("nan")),)}, "the level must be from 0 to 1"),
    ],
)
def test_contradictions_are_refused(given, message):
    with pytest.raises(UsageError) as caught:
        Alteration(**given)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        "image",
        ["image"],
        {"drop": ["image"]},
        {"drop": "image", "shuffle": [], "noise": [], "seed": 0},
        {"drop": [], "shuffle": [], "noise": [3], "seed": 0},
        {"drop": [], "shuffle": [], "noise": [], "seed": 0, "more": 1},
    ],
)
def test_record_that_mmbench_did_not_write(written):
    with pytest.raises(UsageError, match=r"the record's alteration.* is not as mmbench writes it"):
        Alteration.from_json(written)
