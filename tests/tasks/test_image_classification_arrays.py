"""Data sets of image classification whose files are arrays: MNIST and its likes, CIFAR."""

import gzip
import struct

import numpy as np
import pytest

from mmbench.errors import UsageError
from mmbench_tasks.image_classification.datasets import cifar_10, cifar_100, fashion_mnist, mnist
from mmbench_tasks.image_classification.task import ImageClassification


def load(card, folder, split, n=None):
    """A split of files in `folder`, of `n` samples instead of the official number."""
    splits = {name: n or count for name, count in card.splits.items()}
    return ImageClassification().load(card.model_copy(update={"splits": splits, "local": folder}), split)


def refused(card, folder, split, message, n=None):
    with pytest.raises(UsageError, match=message) as caught:
        load(card, folder, split, n)
    assert "\n" not in str(caught.value)
    assert str(folder) not in str(caught.value)


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


IMAGES = np.random.default_rng(0).integers(256, size=(4, 28, 28), dtype=np.uint8)
LABELS = np.array([3, 0, 9, 3], dtype=np.uint8)


@pytest.fixture
def idx_folder(tmp_path):
    """Lay out the files of one split of MNIST."""

    def make(prefix="t10k", mark="-", suffix="", images=IMAGES, labels=LABELS):
        pack = gzip.compress if suffix else bytes
        for stem, kind, array in (("images", "idx3", images), ("labels", "idx1", labels)):
            content = array if isinstance(array, bytes) else idx(array)
            if content:
                (tmp_path / f"{prefix}-{stem}{mark}{kind}-ubyte{suffix}").write_bytes(pack(content))
        return tmp_path

    return make


@pytest.mark.parametrize("mark", "-.")
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_mnist_files_under_their_usual_names(idx_folder, mark, suffix, split, prefix):
    """Only the files of the split that is asked for are there."""
    samples = load(mnist, idx_folder(prefix, mark, suffix), split, 4)
    assert [sample.target for sample in (samples[i] for i in range(len(samples)))] == ["3", "0", "9", "3"]
    assert [samples[i].id for i in range(4)] == [f"{split}/{i}" for i in range(4)]
    np.testing.assert_array_equal(np.stack([samples[i].inputs["image"] for i in range(4)]), IMAGES)
    assert samples[0].inputs["image"].mode == "L"


def test_fashion_mnist_has_names(idx_folder):
    samples = load(fashion_mnist, idx_folder(), "test", 4)
    assert [samples[i].target for i in range(4)] == ["Dress", "T-shirt/top", "Ankle boot", "Dress"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prefix": "other"}, "no file t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz"),
        ({"labels": b""}, "no file t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz"),
        ({"images": idx(IMAGES)[:-1]}, "/t10k-images-idx3-ubyte: truncated: expected 3136 more bytes, found 3135"),
        ({"images": idx(LABELS)}, "/t10k-images-idx3-ubyte: expected 3-dimensional bytes, found 1-dimensional uint8"),
        ({"labels": LABELS[:3]}, "4 images in .*/t10k-images-idx3-ubyte, 3 labels in .*/t10k-labels-idx1-ubyte"),
        ({"labels": LABELS + 7}, "/t10k-labels-idx1-ubyte: entry 0: label 10; expected 0 to 9"),
        ({}, "mnist test: expected 10000 samples, found 4"),
    ],
)
def test_damaged_mnist(idx_folder, change, message):
    refused(mnist, idx_folder(**change), "test", message, None if not change else 4)


def test_data_that_is_no_folder(idx_folder):
    file = idx_folder() / "t10k-images-idx3-ubyte"
    refused(mnist, file, "test", "data set 'mnist': .*/t10k-images-idx3-ubyte is a file; expected a folder")


def test_no_data_says_what_to_get(monkeypatch):
    monkeypatch.delenv("MMBENCH_DATA", raising=False)
    with pytest.raises(UsageError, match=r"data set 'mnist': get the IDX files .*--data PATH"):
        ImageClassification().load(mnist, "test")


def test_card_that_lacks_what_its_reader_must_know(idx_folder):
    card = mnist.model_copy(update={"options": {"labels": ["0"]}})
    refused(card, idx_folder(), "test", "card mnist: options: no field 'prefixes'", 4)


def records(labels, seed=0):
    """Pixels [n, 3, 32, 32], and the file of records with these label bytes [n, k]."""
    labels = np.asarray(labels, dtype=np.uint8)
    pixels = np.random.default_rng(seed).integers(256, size=(len(labels), 3, 32, 32), dtype=np.uint8)
    return pixels, np.concatenate([labels, pixels.reshape(len(labels), -1)], axis=1).tobytes()


CIFAR_10_NAMES = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"


def cifar_10_folder(folder):
    folder.mkdir(exist_ok=True)
    (folder / "batches.meta.txt").write_text(CIFAR_10_NAMES)
    for number in range(1, 6):
        (folder / f"data_batch_{number}.bin").write_bytes(records([[number], [0]], number)[1])
    (folder / "test_batch.bin").write_bytes(records([[3], [8], [8]])[1])
    return folder


def test_cifar_10_in_its_binary_version(tmp_path):
    cifar_10_folder(tmp_path / "cifar-10-batches-bin")
    for folder in (tmp_path, tmp_path / "cifar-10-batches-bin"):  # where it was unpacked, or the folder itself
        test = load(cifar_10, folder, "test", 3)
        assert [test[i].target for i in range(3)] == ["cat", "ship", "ship"]
        train = load(cifar_10, folder, "train", 10)
        assert [train[i].target for i in range(0, 10, 2)] == ["automobile", "bird", "cat", "deer", "dog"]
    np.testing.assert_array_equal(
        np.stack([test[i].inputs["image"] for i in range(3)]), records([[3], [8], [8]])[0].transpose(0, 2, 3, 1)
    )
    np.testing.assert_array_equal(train[9].inputs["image"], records([[5], [0]], 5)[0][1].transpose(1, 2, 0))
    assert train[9].inputs["image"].mode == "RGB"
    assert train[9].id == "train/9"


def test_cifar_100_has_fine_labels(tmp_path):
    (tmp_path / "fine_label_names.txt").write_text("".join(f"fine {i}\n" for i in range(100)))
    (tmp_path / "coarse_label_names.txt").write_text("".join(f"coarse {i}\n" for i in range(20)))
    pixels, content = records([[11, 49], [19, 99]])
    (tmp_path / "test.bin").write_bytes(content)
    samples = load(cifar_100, tmp_path, "test", 2)
    assert [samples[i].target for i in range(2)] == ["fine 49", "fine 99"]
    np.testing.assert_array_equal(samples[1].inputs["image"], pixels[1].transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "test_batch.bin",
            records([[3], [8]])[1][:-5],
            "truncated: 6141 bytes are no multiple of 3073",
        ),
        ("test_batch.bin", b"", "/test_batch.bin: truncated: 0 bytes"),
        ("test_batch.bin", records([[3], [10], [8]])[1], "/test_batch.bin: entry 1: label 10; expected 0 to 9"),
        ("test_batch.bin", records([[3]])[1], "cifar-10 test: expected 3 samples, found 1"),
        ("test_batch.bin", None, "/test_batch.bin: No such file or directory"),
        ("batches.meta.txt", None, "/batches.meta.txt: No such file or directory"),
        ("batches.meta.txt", b"air\xffplane\n", "/batches.meta.txt:1: not UTF-8"),
        (
            "batches.meta.txt",
            CIFAR_10_NAMES.replace("bird\n", "bird\n\n").encode(),
            "/batches.meta.txt:4: expected the name of a class, found an empty line",
        ),
        (
            "batches.meta.txt",
            CIFAR_10_NAMES.replace("deer", "bird").encode(),
            "/batches.meta.txt:5: 'bird' is there twice; the first is at 3",
        ),
        (
            "batches.meta.txt",
            CIFAR_10_NAMES.replace("truck\n", "").encode(),
            "/batches.meta.txt: expected 10 names of classes, found 9",
        ),
        ("batches.meta.txt", b"", "/batches.meta.txt:1: expected the name of a class, found an empty line"),
    ],
)
def test_damaged_cifar(tmp_path, file, content, message):
    folder = cifar_10_folder(tmp_path / "cifar-10-batches-bin")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    refused(cifar_10, folder, "test", message, 3)


@pytest.mark.parametrize(
    ("card", "path"),
    [
        (cifar_10, "test_batch"),
        (cifar_10, "cifar-10-batches-py/test_batch"),
        (cifar_10, "cifar-10-python.tar.gz"),
        (cifar_100, "test"),
        (cifar_100, "cifar-100-python/test"),
    ],
)
def test_python_version_of_cifar_is_not_unpickled(tmp_path, card, path):
    """The file would be a pickle that writes a file if it were loaded."""
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"cbuiltins\nopen\n(S'" + str(tmp_path / "ran").encode() + b"'\nS'w'\ntR.")
    refused(card, tmp_path, "test", f"the Python version of {card.name}, whose pickled files .* get the binary version")
    assert not (tmp_path / "ran").exists()
