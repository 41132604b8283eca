"""Digits to see and to hear: recordings of FSDD with images of MNIST."""

import gzip
import struct
from collections import Counter

import numpy as np
import pytest
import soundfile

from mmbench.data.audio import load_audio
from mmbench.data.decode import load_image
from mmbench.errors import UsageError
from mmbench_tasks.multimodal_classification.datasets import av_digits as av_card
from mmbench_tasks.multimodal_classification.task import MultimodalClassification

SPEAKERS = ("ann", "bob")


@pytest.fixture
def av(tmp_path):
    """A small folder as `av-digits` wants it: seven recordings of each digit and speaker, 20 images of each digit."""
    (tmp_path / "fsdd").mkdir()
    (tmp_path / "mnist").mkdir()
    for digit in range(10):
        for speaker in SPEAKERS:
            for index in range(7):
                tone = np.full(800 + 8 * index, 0.1)
                soundfile.write(tmp_path / "fsdd" / f"{digit}_{speaker}_{index}.wav", tone, 8000)
    labels = np.tile(np.arange(10, dtype=np.uint8), 20)
    images = np.zeros((200, 28, 28), dtype=np.uint8)
    images[:, 0, 0], images[:, 0, 1] = labels, np.arange(200)  # the digit, and which image it is
    _idx(tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz", images)
    _idx(tmp_path / "mnist" / "t10k-labels-idx1-ubyte", labels)
    return tmp_path


def _idx(path, array):
    data = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def _load(folder, split, test=100):
    dataset = MultimodalClassification().load(
        av_card.at(folder).model_copy(update={"splits": {"train": None, "test": test}}), split
    )
    return [dataset[index] for index in range(len(dataset))]


def test_pairs_by_digit(av):
    train_samples, test_samples = _load(av, "train"), _load(av, "test")
    assert (len(train_samples), len(test_samples)) == (40, 100)
    used = []
    for sample in train_samples + test_samples:
        digit, speaker, index = sample.inputs["audio"].stem.split("_")
        pixels = np.asarray(sample.inputs["image"])
        used.append(int(pixels[0, 1]))
        assert sample.target == digit == str(pixels[0, 0])
        assert sample.meta == {"speaker": speaker}
        assert sample.id == f"{'test' if int(index) < 5 else 'train'}/{digit}_{speaker}_{index}"
        assert sample.duration == (800 + 8 * int(index)) / 8000
        assert sample.group is None
    assert len(used) == len(set(used)), "no image is used twice"
    assert {sample.target for sample in test_samples[:10]} == set("0123456789")


def test_test_set_does_not_depend_on_the_training_recordings(av):
    before = _load(av, "test")
    for path in (av / "fsdd").glob("*_6.wav"):
        path.unlink()
    after = _load(av, "test")
    assert [np.asarray(sample.inputs["image"]).tobytes() for sample in before] == [
        np.asarray(sample.inputs["image"]).tobytes() for sample in after
    ]
    assert len(_load(av, "train")) == 20


def test_seed_decides_the_pairing(av):
    first, again = _load(av, "test"), _load(av, "test")
    other = av_card.at(av).model_copy(update={"splits": {"test": None}, "options": {"seed": 1}})
    dataset = MultimodalClassification().load(other, "test")
    images = [[np.asarray(s.inputs["image"]).tobytes() for s in samples] for samples in (first, again)]
    assert images[0] == images[1]
    assert images[0] != [np.asarray(dataset[index].inputs["image"]).tobytes() for index in range(100)]


def test_layouts(av):
    (av / "fsdd").rename(av / "recordings")
    for path in (av / "mnist").iterdir():
        path.rename(av / path.name)
    assert len(_load(av, "test")) == 100


def test_broken_recording_fails_when_it_is_read(av):
    (av / "fsdd" / "3_ann_0.wav").write_text("no sound")
    sample = next(sample for sample in _load(av, "test") if sample.id == "test/3_ann_0")
    assert sample.duration is None
    with pytest.raises(ValueError, match=r"fsdd/3_ann_0\.wav"):
        load_audio(sample.inputs["audio"])


def _no_recordings(folder):
    for path in (folder / "fsdd").iterdir():
        path.unlink()


def _odd_name(folder):
    (folder / "fsdd" / "seven.wav").touch()


def _no_labels(folder):
    (folder / "mnist" / "t10k-labels-idx1-ubyte").unlink()


def _few_labels(folder):
    _idx(folder / "mnist" / "t10k-labels-idx1-ubyte", np.zeros(5, dtype=np.uint8))


def _flat_images(folder):
    _idx(folder / "mnist" / "t10k-images-idx3-ubyte.gz", np.zeros((200, 784), dtype=np.uint8))


def _one_digit(folder):
    _idx(folder / "mnist" / "t10k-labels-idx1-ubyte", np.full(200, 3, dtype=np.uint8))


def _missing_test(folder):
    (folder / "fsdd" / "4_bob_1.wav").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_no_recordings, r"no recordings \(\*\.wav\) in"),
        (_odd_name, r"fsdd/seven\.wav: expected a name like 7_jackson_32\.wav: digit, speaker, index"),
        (_no_labels, r"no file t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte\.gz in a folder mnist\*"),
        (_few_labels, r"200 images in .*, 5 labels in mnist.*/t10k-labels-idx1-ubyte"),
        (_flat_images, r"t10k-images-idx3-ubyte\.gz: expected 3-dimensional bytes, found 2-dimensional uint8"),
        (_one_digit, "14 recordings of the digit 0, and only 0 images of it"),
        (_missing_test, "av-digits test: expected 100 samples, found 99"),
    ],
)
def test_damage(av, damage, message):
    damage(av)
    with pytest.raises(UsageError, match=message) as caught:
        _load(av, "test")
    assert "\n" not in str(caught.value)


def test_says_what_to_get(monkeypatch):
    monkeypatch.delenv("MMBENCH_DATA", raising=False)
    with pytest.raises(UsageError, match=r"Free Spoken Digit Dataset .* folder fsdd, .*--data PATH"):
        MultimodalClassification().load(av_card, "test")


@pytest.mark.shared
def test_shared_recordings(shared):
    """Reference: the counts and seconds that the shared data's README gives."""
    task = MultimodalClassification()
    loaded = {split: task.load(av_card.at(shared / "av"), split) for split in ("train", "test")}
    assert {split: len(dataset) for split, dataset in loaded.items()} == {"train": 600, "test": 300}
    samples = [dataset[index] for dataset in loaded.values() for index in range(len(dataset))]
    assert len({np.asarray(sample.inputs["image"]).tobytes() for sample in samples}) == 900
    assert set(Counter((sample.target, sample.meta["speaker"]) for sample in samples).values()) == {15}
    assert sum(sample.duration for sample in samples) == pytest.approx(390.9, abs=0.1)
    for sample in samples:
        audio = load_audio(sample.inputs["audio"])
        assert (audio.rate, audio.samples.ndim) == (8000, 1)
        assert len(audio.samples) / audio.rate == sample.duration
        assert load_image(sample.inputs["image"]).size == (28, 28)
