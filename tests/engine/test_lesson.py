"""The batches of training: every sample once an epoch, in equal batches, shared by processes, varied when asked."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from mmbench.engine.lesson import Lesson, LessonBatches, LessonSampler, vary
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.sample import Sample

TEXT = " ".join(f"w{number}" for number in range(30))


def sampler(*sizes, batch_size=16, seed=0, epoch=0, rank=0, processes=1):
    made = LessonSampler(sizes, batch_size, seed, rank, processes)
    made.set_epoch(epoch)
    return made


@pytest.mark.parametrize("sizes", [(1,), (16,), (17,), (100,), (33, 5, 64), (1, 1)])
@pytest.mark.parametrize("batch_size", [1, 16, 1000])
def test_every_sample_comes_once_an_epoch_in_batches_of_one_lesson(sizes, batch_size):
    made = sampler(*sizes, batch_size=batch_size)
    steps = list(made)
    assert len(steps) == len(made)
    for lesson, size in enumerate(sizes):
        batches = [step.indices for step in steps if step.lesson == lesson]
        assert sorted(index for batch in batches for index in batch) == list(range(size))
        assert max(map(len, batches)) <= batch_size
        assert max(map(len, batches)) - min(map(len, batches)) <= 1
        assert len(batches) == -(-size // batch_size)
    assert {step.weight for step in steps} == {1.0}


def test_no_batch_of_one_is_left_at_the_end():
    assert sorted(len(step.indices) for step in sampler(33, batch_size=16)) == [11, 11, 11]


def test_order_follows_from_seed_and_epoch():
    def order(**given):
        return [step.indices for step in sampler(100, **given)]

    assert order(seed=1, epoch=2) == order(seed=1, epoch=2)
    assert len({str(order(seed=seed, epoch=epoch)) for seed in range(3) for epoch in range(3)}) == 9
    made = sampler(100)
    first = [step.indices for step in made]
    assert [step.indices for step in made] == first  # only set_epoch() moves it on


def test_lessons_take_turns_at_random():
    lessons = [step.lesson for step in sampler(320, 320)]
    assert Counter(lessons) == {0: 20, 1: 20}
    assert 5 < sum(one != other for one, other in pairwise(lessons)) < 35


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_each_step(processes):
    whole = list(sampler(100, 37, epoch=4))
    parts = [list(sampler(100, 37, epoch=4, rank=rank, processes=processes)) for rank in range(processes)]
    for step, shares in zip(whole, zip(*parts, strict=True), strict=True):
        assert [index for share in shares for index in share.indices] == step.indices
        assert {share.lesson for share in shares} == {step.lesson}
        for share in shares:
            assert share.weight == pytest.approx(len(share.indices) * processes / len(step.indices))
        assert sum(share.weight for share in shares) == pytest.approx(processes)


def test_more_processes_than_samples_in_a_step_are_refused():
    with pytest.raises(UsageError, match="a step of 1 training samples cannot be shared by 2 processes: raise --batch"):
        sampler(100, batch_size=1, processes=2)
    sampler(3, batch_size=3, processes=2)


class Shown:
    """A model that gives back what it was shown."""

    name = "shown"

    def __init__(self, *modalities):
        self.modalities = modalities

    def collate(self, samples):
        if any(sample.target == "torn" for sample in samples):
            raise ValueError("torn\nin two")
        return Batch(len(samples), {"samples": samples}, {})


def batches(samples, options, *modalities):
    return LessonBatches([Lesson("task/data", Shown(*modalities), samples, None)], options)


def shown(samples, options, *modalities, epoch=0, **given):
    """Samples by id as the model sees them in one epoch."""
    made = batches(samples, options, *modalities)
    steps = sampler(len(samples), epoch=epoch, seed=options.seed, **given)
    return {sample.id: sample for step in steps for sample in made[step]["batch"].inputs["samples"]}


@pytest.fixture(scope="module")
def samples():
    image = Image.effect_noise((16, 16), 80).convert("RGB")
    return [Sample(f"s{number}", {"image": image, "text": TEXT}, target="x") for number in range(200)]


def seen(samples):
    return {name: (sample.inputs["text"], sample.inputs["image"].tobytes()) for name, sample in samples.items()}


def test_samples_stay_as_they_are_unless_asked(samples):
    found = shown(samples, TrainOptions(), "image", "text")
    assert all(found[sample.id] is sample for sample in samples)


def test_image_that_is_read_is_opened_once_for_all_epochs(tmp_path):
    path = tmp_path / "noise.png"
    Image.effect_noise((16, 16), 80).convert("RGB").save(path)
    samples = [Sample("s", {"image": path, "text": TEXT}, target="x")]
    blind = batches(samples, TrainOptions(), "text")
    made = batches(samples, TrainOptions(), "image", "text")
    (step,) = sampler(1)
    first = made[step]["batch"].inputs["samples"][0].inputs["image"]
    path.unlink()
    assert made[step]["batch"].inputs["samples"][0].inputs["image"] is first
    assert blind[step]["batch"].inputs["samples"][0] is samples[0]


def test_variation_follows_from_seed_epoch_and_sample_alone(samples):
    options = TrainOptions(augment=True)
    first = seen(shown(samples, options, "image", "text"))
    assert first == seen(shown(samples, options, "image", "text", batch_size=7))
    halves = [shown(samples, options, "image", "text", rank=rank, processes=2) for rank in (0, 1)]
    assert first == seen(halves[0] | halves[1])
    assert len(set(first.values())) > 190
    for other in (
        seen(shown(samples, options, "image", "text", epoch=1)),
        seen(shown(samples, replace(options, seed=1), "image", "text")),
    ):
        assert sum(first[name] == other[name] for name in first) < 10


def test_what_the_model_does_not_read_is_not_varied(samples):
    found = shown(samples, TrainOptions(augment=True), "text")
    assert all(found[sample.id].inputs["image"] is sample.inputs["image"] for sample in samples)
    assert all(found[sample.id].inputs["text"] == TEXT for sample in samples)  # a word may be what the label hangs on


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_modalities_are_left_out_as_often_as_asked_and_never_all(probability):
    sample = Sample("s", {"image": 1, "text": "a", "audio": 2, "other": 3})
    options = TrainOptions(modality_dropout=probability)
    random = np.random.default_rng(0)
    kept = [vary(sample, options, ("image", "text", "audio"), random).inputs for _ in range(4000)]
    assert all(len(inputs) >= 2 and inputs["other"] == 3 for inputs in kept)
    expected = 1 - probability + probability**3 / 3  # one of three stays where all would go
    for modality in ("image", "text", "audio"):
        assert np.mean([modality in inputs for inputs in kept]) == pytest.approx(expected, abs=0.025)


def test_modality_that_is_missing_is_not_the_one_that_stays():
    random = np.random.default_rng(0)
    options = TrainOptions(modality_dropout=0.9)
    sample = Sample("s", {"image": None, "text": "a"})
    for _ in range(100):
        assert vary(sample, options, ("image", "text", "audio"), random).inputs["text"] == "a"


def test_model_of_one_modality_keeps_it(samples):
    found = shown(samples, TrainOptions(modality_dropout=0.99), "text")
    assert all(found[sample.id].inputs == sample.inputs for sample in samples)


class Torn(list):
    """Samples of which one cannot be made."""

    def __getitem__(self, index):
        if index == 3:
            raise OSError("the disk\nis gone")
        return super().__getitem__(index)


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (Torn, {}, "training sample #3 cannot be read: OSError: the disk is gone"),
        (
            lambda found: [replace(s, target="torn") if s.id == "s3" else s for s in found],
            {},
            "training sample s3 cannot be read: ValueError: torn in two",
        ),
        (
            lambda found: [replace(s, inputs={"image": "no/such/file.png"}) if s.id == "s3" else s for s in found],
            {"augment": True},
            "training sample #3 cannot be read: DecodeError: such/file.png: no such file",
        ),
    ],
    ids=["cannot be made", "cannot be collated", "cannot be varied"],
)
def test_sample_that_cannot_be_read_is_told_in_one_line(samples, spoil, options, message):
    made = batches(spoil(samples[:20]), TrainOptions(**options), "image")
    failures = [batch["failure"] for step in sampler(20, batch_size=4) if "failure" in (batch := made[step])]
    assert failures == [message]
