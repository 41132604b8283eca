"""The sentences of the generated scenes: grammatical, each of another kind, and they say what their claims say.

Sentences are read back here by a grammar of its own, which shares no code with the generator.
"""

import json
import re

import pytest

from mmbench_tasks.captioning.datasets import scenes
from mmbench_tasks.captioning.readers import open_captions

SHAPES = ("circle", "square", "triangle", "star", "cross")
COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "brown")
SIZES = {"small": "small", "little": "small", "large": "large", "big": "large"}
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "both": 2}

NP = rf"(?:(?:{'|'.join(SIZES)}) )?(?:{'|'.join(COLOURS)}) (?:{'|'.join(SHAPES)})"
RELATION = "to the left of|to the right of|above|below"
QUARTER = "(?:upper|lower) (?:left|right)"
DIRECTION = "left to right|right to left|top to bottom|bottom to top"
EXTREME = "leftmost|rightmost|highest|lowest"


def kinds_in(text, **size):
    """The objects that a text names; with `size`, which it says elsewhere."""
    found = []
    for noun in re.findall(NP, text):
        *first, colour, shape = noun.split()
        found.append({**({"size": SIZES[first[0]]} if first else size), "colour": colour, "shape": shape})
    return found


def listed(text):
    """The objects of "a x, a y and a z"."""
    assert re.fullmatch(rf"an? {NP}(?:(?:, an? {NP})* and an? {NP})?", text), text
    return kinds_in(text)


def relation(words, one, other):
    return {"relation": words.removeprefix("to the "), "one": one, "other": other}


def read_relation(text):
    if found := re.fullmatch(rf"(?:a|the) {NP} is ({RELATION}) (?:a|the) {NP}", text):
        one, other = kinds_in(text)
        return [relation(found[1], one, other)]
    if found := re.fullmatch(rf"({RELATION}) a {NP} there is a {NP}", text):
        other, one = kinds_in(text)
        return [relation(found[1], one, other)]
    if found := re.fullmatch(rf"a {NP} is ({RELATION}) a {NP}, which is ({RELATION}) a {NP}", text):
        one, second, third = kinds_in(text)
        return [relation(found[1], one, second), relation(found[2], second, third)]
    if found := re.fullmatch(rf"the {NP} is ({RELATION}) the {NP} and (?:({RELATION}) )?the {NP}", text):
        one, second, third = kinds_in(text)
        return [relation(found[1], one, second), relation(found[2] or found[1], one, third)]
    if found := re.fullmatch(rf"({RELATION}) a {NP} and (?:({RELATION}) )?a {NP} there is a {NP}", text):
        second, third, one = kinds_in(text)
        return [relation(found[1], one, second), relation(found[2] or found[1], one, third)]
    return None


def read_order(text):
    if found := re.fullmatch(rf"from ({DIRECTION}), the (?:picture|image) shows (.*)", text):
        return [{"order": found[1], "of": listed(found[2])}]
    if found := re.fullmatch(rf"(.*), from ({DIRECTION})", text):
        return [{"order": found[2], "of": listed(found[1])}]
    head = r"of (\w+) (?:shapes|objects), "
    for body, extremes in (
        (rf"the ({EXTREME}) is (a {NP}) and the ({EXTREME}) is (a {NP})", (2, 4)),
        (rf"(a {NP}) is the ({EXTREME}) and (a {NP}) is the ({EXTREME})", (3, 5)),
    ):
        if found := re.fullmatch(head + body, text):
            kinds = kinds_in(text)
            names = [found[group] for group in extremes]
            return [
                {"total": NUMBERS[found[1]]},
                *({"extreme": name, "is": kind} for name, kind in zip(names, kinds, strict=True)),
            ]
    return None


def read_places(text):
    for pattern in (
        rf"a {NP} is in the ({QUARTER}) and a {NP} is in the ({QUARTER})",
        rf"in the ({QUARTER}) there is a {NP} and in the ({QUARTER}) a {NP}",
        rf"a {NP} in the ({QUARTER}) and a {NP} in the ({QUARTER})",
    ):
        if found := re.fullmatch(pattern, text):
            return [{"place": name, "has": kind} for name, kind in zip(found.groups(), kinds_in(text), strict=True)]
    return None


def number_of(text, noun):
    """The number in "two crosses", which agrees with its noun."""
    number, word = text.split()
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    assert word == (noun if number == "one" else plural), text
    return NUMBERS[number]


def read_counts(text):
    found = re.fullmatch(r"(?:(\w+) (?:shapes|objects)\s*: |the (?:picture|image) has )([^;]*); ([^;]*)", text)
    if not found or not re.search(r" (is|are) ", found[3]) or re.search(NP, text):
        return None
    claims = [{"total": NUMBERS[found[1]]}] if found[1] else []
    for part in re.split(", | and ", found[2].strip()):
        shape = next(shape for shape in SHAPES if shape in part)
        claims.append({"count": number_of(part, shape), "of": {"shape": shape}})
    for part in re.split(", | and ", found[3].strip()):
        every = re.fullmatch(r"(?:all )?(\w+)(?: of the (?:shapes|objects))? (is|are) (\w+)", part)
        assert (every[1] == "one") == (every[2] == "is"), text
        claims.append({"count": NUMBERS[every[1]], "of": {"colour": every[3]}})
    return claims


def read_sizes(text):
    size, noun = f"({'|'.join(SIZES)})", "(?:shape|object)"
    if found := re.fullmatch(rf"(?:all )?(\w+) {noun}s are {size}: (.*)", text) or re.fullmatch(
        rf"(\w+) {size} {noun}s: (.*)", text
    ):
        groups = {SIZES[found[2]]: found[3]}
        assert NUMBERS[found[1]] == len(listed(found[3]))
    elif found := re.fullmatch(
        rf"the (?:only {size} {noun} is|{size} {noun}s are) (.*); the {size} (one is|ones are) (.*)", text
    ):
        first, rest = SIZES[found[1] or found[2]], SIZES[found[4]]
        groups = {first: found[3], rest: found[6]}
        assert bool(found[1]) == (len(listed(found[3])) == 1)
        assert (found[5] == "one is") == (len(listed(found[6])) == 1)
    elif found := re.fullmatch(rf"(\w+) {size} {noun}(s?), (.*), and (\w+) {size} one(s?), (.*)", text):
        groups = {SIZES[found[2]]: found[4], SIZES[found[6]]: found[8]}
        assert [NUMBERS[found[1]], NUMBERS[found[5]]] == [len(listed(found[4])), len(listed(found[8]))]
        assert [found[1] == "one", found[5] == "one"] == [not found[3], not found[7]]
    elif found := re.fullmatch(
        rf"the (larg|small)(er|est) of (\w+) {noun}s is (.*); the (other is|others are) (.*)", text
    ):
        first, rest = {"larg": ("large", "small"), "small": ("small", "large")}[found[1]]
        groups = {first: found[4], rest: found[6]}
        assert len(listed(found[4])) == 1
        assert NUMBERS[found[3]] == 1 + len(listed(found[6]))
        assert (found[5] == "other is") == (len(listed(found[6])) == 1)
        assert (found[2] == "er") == (found[3] == "two")
    else:
        return None
    assert len(groups) == 2 or len(found.groups()) == 3  # two sizes, or one of which the sentence says "all"
    kinds = {size: [{**kind, "size": size} for kind in listed(objects)] for size, objects in groups.items()}
    return [
        *({"count": len(kinds.get(size, [])), "of": {"size": size}} for size in ("large", "small")),
        {"some": [kind for found in kinds.values() for kind in found]},
    ]


def read_objects(text):
    for pattern in (r"the (?:picture|image) shows (.*)", r"one can see (.*)", "(.*)"):
        if found := re.fullmatch(pattern, text):
            return [{"some": listed(found[1])}]
    return None


READERS = {
    "relation": read_relation,
    "order": read_order,
    "places": read_places,
    "counts": read_counts,
    "sizes": read_sizes,
    "objects": read_objects,
}


def read(sentence):
    """Kind and claims of a sentence."""
    assert re.fullmatch(r"[A-Z][a-z,:; ]*[a-z]\.", sentence)
    assert "  " not in sentence
    assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", sentence.lower())
    text = f"{sentence[0].lower()}{sentence[1:-1]}"
    background = re.search(r"(?:on|against) a (\w+) background", text)
    claims = [{"background": background[1]}] if background else []
    text = re.sub(r"^(?:on|against) a \w+ background,? |,? (?:on|against) a \w+ background", "", text)
    for kind, reader in READERS.items():
        if (found := reader(text)) is not None:
            return kind, claims + found
    raise AssertionError(f"not understood: {sentence}")


def canonical(claims):
    """Claims where order means nothing."""
    plain = [
        {"some": sorted(claim["some"], key=lambda kind: json.dumps(kind, sort_keys=True))} if "some" in claim else claim
        for claim in claims
    ]
    return sorted(json.dumps(claim, sort_keys=True) for claim in plain)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_sentences_say_what_is_claimed_each_of_another_kind(cache, split):
    open_captions(scenes, split)
    folder = cache / "scenes" / "1-seed0" / split
    described, captioned = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("scenes", "captions"))
    for scene, entry in zip(described, captioned, strict=True):
        assert scene["id"] == entry["id"]
        assert len(entry["captions"]) == len(scene["claims"]) == 5
        kinds = set()
        for text, claims in zip(entry["captions"], scene["claims"], strict=True):
            kind, said = read(text)
            assert canonical(said) == canonical(claims), text
            kinds.add(kind)
        assert len(kinds) == 5, entry


@pytest.mark.parametrize(
    "changed",
    [
        "A large red circle is to the right of a small orange square, which is to the right of a small pink circle.",
        "A large red circle is to the left of a small orange square, which is to the right of a big pink circle.",
        "A large red circle is to the left of a small orange square.",
        "A large red circle is to the left of a small orange star, which is to the right of a small pink circle.",
    ],
)
def test_the_grammar_tells_sentences_apart(changed):
    text = "A large red circle is to the left of a small orange square, which is to the right of a small pink circle."
    assert read(text)[0] == read(changed)[0] == "relation"
    assert canonical(read(text)[1]) != canonical(read(changed)[1])


@pytest.mark.parametrize(
    "wrong",
    [
        "A orange star and a red cross on a black background.",
        "a large orange star and a large red cross on a black background.",
        "The only small shape is a red star; the large ones is a blue star and a blue cross.",
        "Two shapes on a black background: one circles and one star; one is red and one is blue.",
        "Two shapes on a black background: one circle and one star; one are red and one is blue.",
        "A large red circle beside a small red star.",
    ],
)
def test_the_grammar_refuses_what_is_no_sentence_of_it(wrong):
    with pytest.raises(AssertionError):
        read(wrong)
