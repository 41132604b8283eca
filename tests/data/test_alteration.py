"""Altered samples: what is taken away, permuted or made noisy, and that nothing else is."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmbench.data.alteration import Alteration, altered
from mmbench.data.noise import NOISES
from mmbench.sample import Alters, Audio, Sample, Subset

MODALITIES = ("image", "text", "audio")


def sound(number):
    return Audio(np.full(400, 0.01 * (number + 1), np.float32), 8000)


def sample(number, **missing):
    inputs = {
        "image": Image.new("RGB", (12, 12), (number, 100, 200)),
        "text": f"what is number {number} of the red ones?",
        "audio": sound(number),
    }
    return Sample(
        f"s/{number}",
        {name: value for name, value in inputs.items() if name not in missing},
        target=str(number),
        group=f"g{number // 2}",
        meta={"kind": "a"},
        duration=None if "audio" in missing else 0.05 * (number + 1),
    )


SAMPLES = [sample(number) for number in range(40)]
PARTIAL = [sample(number, **({"text": True} if number % 3 == 0 else {})) for number in range(40)]


def shown(value):
    """A value as bytes, whatever it is."""
    if isinstance(value, Image.Image):
        return value.tobytes()
    return value.samples.tobytes() if isinstance(value, Audio) else value


def all_of(samples):
    return [samples[index] for index in range(len(samples))]


@pytest.mark.parametrize(
    "alteration",
    [Alteration(), Alteration(seed=3), *(Alteration(noise=((m, n, 0.0),)) for m in NOISES for n in NOISES[m])],
)
def test_nothing_altered_is_the_data_set_itself(alteration):
    assert not alteration
    assert altered(SAMPLES, alteration) is SAMPLES
    assert (alteration.to_json(), alteration.label(), alteration.title()) == ({}, "", "")


def test_noise_at_level_0_beside_another_alteration_changes_no_value():
    levels = tuple((modality, name, 0.0) for modality in ("image", "audio") for name in NOISES[modality])
    for before, after in zip(SAMPLES, all_of(altered(SAMPLES, Alteration(drop=("text",), noise=levels))), strict=True):
        assert after.inputs["image"] is before.inputs["image"]
        assert after.inputs["audio"] is before.inputs["audio"]


def test_dropped_modality_is_missing_and_all_else_stays():
    found = all_of(altered(SAMPLES, Alteration(drop=("image",))))
    for before, after in zip(SAMPLES, found, strict=True):
        assert after.inputs == {name: before.inputs[name] for name in ("text", "audio")}
        for name in ("id", "target", "group", "meta", "duration"):
            assert getattr(after, name) == getattr(before, name)
    assert all(not s.inputs for s in all_of(altered(SAMPLES, Alteration(drop=MODALITIES))))


def test_without_sound_there_are_no_seconds_of_it():
    assert {s.duration for s in all_of(altered(SAMPLES, Alteration(drop=("audio",))))} == {None}


@pytest.mark.parametrize("modality", MODALITIES)
def test_shuffled_modality_is_permuted_and_all_else_stays(modality):
    found = all_of(altered(SAMPLES, Alteration(shuffle=(modality,))))
    before = [id(s.inputs[modality]) for s in SAMPLES]
    after = [id(s.inputs[modality]) for s in found]
    assert sorted(after) == sorted(before)
    assert sum(one == other for one, other in zip(before, after, strict=True)) < 6  # 1 is expected
    for one, other in zip(SAMPLES, found, strict=True):
        assert other.id == one.id
        assert other.target == one.target
        for name in set(MODALITIES) - {modality}:
            assert other.inputs[name] is one.inputs[name]
    durations = [s.inputs["audio"].samples[0] * 5 for s in found]
    np.testing.assert_allclose([s.duration for s in found], durations, rtol=1e-6)


def test_each_modality_is_shuffled_by_itself():
    found = all_of(altered(SAMPLES, Alteration(shuffle=("image", "text"))))
    pairs = [(s.inputs["image"].getpixel((0, 0))[0], int(s.inputs["text"].split()[3])) for s in found]
    assert sum(image == text for image, text in pairs) < 6


def test_who_lacks_a_modality_goes_on_lacking_it():
    """The values of those that have it are permuted among them."""
    for seed in range(10):
        found = all_of(altered(PARTIAL, Alteration(shuffle=("text",), seed=seed)))
        assert [("text" in s.inputs) for s in found] == [("text" in s.inputs) for s in PARTIAL]
        texts = [[s.inputs["text"] for s in samples if "text" in s.inputs] for samples in (PARTIAL, found)]
        assert Counter(texts[0]) == Counter(texts[1])
        assert texts[0] != texts[1]


def test_every_permutation_of_those_that_have_it_is_as_likely():
    """Three of five have a text: 6 permutations, 1,200 seeds, each within five standard deviations of 200."""
    few = [sample(number, **({"text": True} if number in (1, 4) else {})) for number in range(5)]
    counts = Counter(
        tuple(
            s.inputs["text"]
            for s in all_of(altered(few, Alteration(shuffle=("text",), seed=seed)))
            if s.inputs.get("text")
        )
        for seed in range(1200)
    )
    assert len(counts) == 6
    assert all(abs(count - 200) < 5 * np.sqrt(200 * 5 / 6) for count in counts.values())


def test_only_one_that_has_it_keeps_it():
    lone = [sample(0), *(sample(number, text=True) for number in range(1, 9))]
    found = all_of(altered(lone, Alteration(shuffle=("text",))))
    assert [s.inputs.get("text") for s in found] == [lone[0].inputs["text"], *[None] * 8]


@pytest.mark.parametrize(("modality", "name"), [(m, n) for m in NOISES for n in NOISES[m]])
def test_noise_changes_its_modality_and_nothing_else(modality, name):
    images = [Image.effect_noise((16, 16), 80).convert("RGB") for _ in range(8)]
    samples = [Sample(f"{n}", {**SAMPLES[n].inputs, "image": images[n]}, duration=1.0) for n in range(8)]
    found = all_of(altered(samples, Alteration(noise=((modality, name, 0.6),))))
    assert sum(shown(a.inputs[modality]) != shown(b.inputs[modality]) for a, b in zip(samples, found, strict=True)) > 5
    for before, after in zip(samples, found, strict=True):
        for other in set(MODALITIES) - {modality}:
            assert after.inputs[other] is before.inputs[other]
        assert (after.id, after.duration) == (before.id, before.duration)


def test_caller_s_samples_never_change():
    before = [{name: shown(value) for name, value in s.inputs.items()} for s in SAMPLES]
    noise = tuple((modality, name, 1.0) for modality in NOISES for name in NOISES[modality])
    all_of(altered(SAMPLES, Alteration(shuffle=MODALITIES, noise=noise)))
    all_of(altered(SAMPLES, Alteration(drop=MODALITIES)))
    assert [{name: shown(value) for name, value in s.inputs.items()} for s in SAMPLES] == before


def test_noise_depends_on_seed_and_sample_and_not_on_order_or_neighbours():
    alteration = Alteration(noise=(("image", "gaussian", 0.3), ("text", "typo", 0.5), ("audio", "white", 0.5)))

    def made(samples, order, how=alteration):
        found = altered(samples, how)
        return {s.id: {m: shown(s.inputs[m]) for m in MODALITIES} for s in (found[index] for index in order)}

    forwards = made(SAMPLES, range(40))
    assert made(SAMPLES, range(39, -1, -1)) == forwards
    assert made(Subset(SAMPLES, [7, 3]), range(2)) == {name: forwards[name] for name in ("s/7", "s/3")}
    other = made(SAMPLES, range(40), Alteration(noise=alteration.noise, seed=1))
    assert all(other[name]["image"] != forwards[name]["image"] for name in forwards)
    fields = {shown(s)[:30] for s in (values["image"] for values in forwards.values())}
    assert len(fields) == 40


def test_noises_of_one_modality_are_applied_in_order():
    one, other = (("image", "occlusion", 0.5), ("image", "gaussian", 0.5))
    grey = [(np.asarray(s.inputs["image"]) == 128).all(axis=-1).mean() for s in (
        altered(SAMPLES, Alteration(noise=(one, other)))[0], altered(SAMPLES, Alteration(noise=(other, one)))[0]
    )]  # fmt: skip
    assert grey[0] < 0.1
    assert grey[1] > 0.3


def test_missing_modality_has_no_noise():
    found = all_of(altered(PARTIAL, Alteration(noise=(("text", "drop", 0.4),))))
    assert [s.inputs.get("text") is None for s in found] == [s.inputs.get("text") is None for s in PARTIAL]
    nothing = [Sample("a", {"text": None, "image": SAMPLES[0].inputs["image"]})]
    assert altered(nothing, Alteration(noise=(("text", "drop", 0.4),)))[0].inputs["text"] is None


def test_nothing_is_opened_before_a_sample_is_taken():
    """And the clean sample, by which batches are planned, opens no file at all."""
    files = [Sample("a", {"image": Path("no/such.png"), "audio": Path("no/such.wav")})]
    found = altered(files, Alteration(noise=(("image", "blur", 0.5),)))
    assert isinstance(found, Alters)
    assert not isinstance(files, Alters)
    assert found.unaltered(0) is files[0]
    assert altered(found, Alteration(drop=("audio",))).unaltered(0) is files[0]
    with pytest.raises(ValueError, match=r"no/such\.png"):
        found[0]


def test_data_set_with_a_method_of_another_meaning_is_no_altered_one():
    """`clean`, which a reader of noisy speech may well have."""

    class Speech(list):
        def clean(self):
            raise AssertionError("nobody asked")

    assert not isinstance(Speech(SAMPLES), Alters)
    assert altered(Speech(SAMPLES), Alteration(drop=("text",))).unaltered(3) is SAMPLES[3]
