"""Where data set files are: inside an installed package, in the version that the card pins."""

import sys

import pytest

from mmbench.data.card import DatasetCard, FilesSource, GeneratedSource, HubSource, PackageSource
from mmbench.data.source import data_folder, fingerprint, generated_folder, located, package_folder
from mmbench.errors import HarnessError, UsageError


@pytest.fixture
def card(tmp_path, monkeypatch):
    """A card of the package `test_set_files` of the distribution test-set-files 1.2, which is installed."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "test_set_files" / "data").mkdir(parents=True)
    (tmp_path / "test_set_files" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "test_set_files-1.2.dist-info").mkdir()
    (tmp_path / "test_set_files-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: test-set-files\nVersion: 1.2\n"
    )

    def make(name="test_set_files", requirement="test-set-files==1.2", root="data"):
        source = PackageSource(kind="package", name=name, requirement=requirement, root=root)
        return DatasetCard(
            name="small",
            tasks=["vqa"],
            title="",
            format="easy-vqa",
            source=source,
            revision="1.2",
            splits={"train": 1},
            default_split="train",
            train_split="train",
            licence="MIT",
        )

    return make


def test_folder_is_found_without_an_import(card, tmp_path):
    assert package_folder(card()) == tmp_path / "test_set_files" / "data"
    assert "test_set_files" not in sys.modules


def test_version_that_is_not_pinned(card, tmp_path):
    assert package_folder(card(requirement="test-set-files")) == tmp_path / "test_set_files" / "data"


def test_missing_package_says_what_to_install(card):
    with pytest.raises(UsageError, match="data set 'small' needs the package test-none==2: pip install test-none==2"):
        package_folder(card(name="test_none", requirement="test-none==2"))


def test_other_version_gives_both(card):
    with pytest.raises(
        UsageError, match=r"'small' is pinned to test-set-files==1\.3; test-set-files 1\.2 is installed"
    ):
        package_folder(card(requirement="test-set-files==1.3"))


def test_module_of_another_distribution(card):
    """A folder of that name on the path is not the package that the card means."""
    with pytest.raises(UsageError, match="data set 'small' needs the package test-none==1"):
        package_folder(card(requirement="test-none==1"))


def made(source, **fields):
    return DatasetCard(
        **{
            "name": "small",
            "tasks": ["vqa"],
            "title": "",
            "format": "x",
            "source": source,
            "revision": "3",
            "splits": {"test": 1},
            "default_split": "test",
            "licence": "MIT",
            **fields,
        }
    )


FILES = FilesSource(kind="files", get="Get the archive and unpack it.")


def test_files_are_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.delenv("MMBENCH_DATA", raising=False)
    assert data_folder(made(FILES).at(tmp_path)) == tmp_path
    with pytest.raises(UsageError, match="none does not exist"):
        made(FILES).at(tmp_path / "none")


def test_files_below_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MMBENCH_DATA", str(tmp_path))
    assert located(made(FILES), None).local is None
    (tmp_path / "small").mkdir()
    assert data_folder(located(made(FILES), None)) == tmp_path / "small"
    (tmp_path / "other").mkdir()
    assert data_folder(located(made(FILES), tmp_path / "other")) == tmp_path / "other"


def test_files_that_are_nowhere_say_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("MMBENCH_DATA", str(tmp_path))
    with pytest.raises(
        UsageError, match=r"'small': Get the archive and unpack it \(https://x\.org\); then give --data PATH"
    ):
        data_folder(made(FILES, homepage="https://x.org"))
    with pytest.raises(UsageError, match="its files are not here; then give --data PATH"):
        data_folder(made(HubSource(kind="hub", repo="a/b")))


def test_files_of_a_package_can_be_elsewhere(card, tmp_path):
    assert data_folder(card()) == tmp_path / "test_set_files" / "data"
    assert data_folder(card().at(tmp_path)) == tmp_path


GENERATED = GeneratedSource(kind="generated", seed=7)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_generated_once_for_a_revision_and_a_seed(cache):
    made_in = []

    def make(folder, seed):
        made_in.append(seed)
        (folder / "a.txt").write_text("whole")

    folder = generated_folder(made(GENERATED), make)
    assert (folder / "a.txt").read_text() == "whole"
    assert folder.is_relative_to(cache)
    assert generated_folder(made(GENERATED), make) == folder
    assert made_in == [7]
    assert generated_folder(made(GENERATED, revision="4"), make) != folder
    assert generated_folder(made(GeneratedSource(kind="generated", seed=8)), make) != folder
    assert made_in == [7, 7, 8]


def test_generation_that_fails_leaves_nothing(cache):
    def make(folder, seed):
        (folder / "half.txt").write_text("half")
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        generated_folder(made(GENERATED), make)
    assert [path for path in cache.rglob("*") if path.name != ".lock" and path.is_file()] == []
    folder = generated_folder(made(GENERATED), lambda folder, seed: None)
    assert list(folder.iterdir()) == []


def test_cache_that_cannot_be_written(cache):
    cache.parent.joinpath("cache").write_text("a file")
    with pytest.raises(HarnessError, match=r"'small' cannot be generated .*set MMBENCH_CACHE"):
        generated_folder(made(GENERATED), lambda folder, seed: None)


def test_fingerprint_follows_names_annotations_and_sizes_of_media(tmp_path):
    def write(text="x", pixels=b"123", name="a.jpg"):
        folder = tmp_path / "set"
        for path in folder.glob("*") if folder.exists() else ():
            path.unlink()
        folder.mkdir(exist_ok=True)
        (folder / "notes.json").write_text(text)
        (folder / name).write_bytes(pixels)
        return fingerprint(folder)

    first = write()
    assert write() == first
    changed = {write(text="y"), write(pixels=b"1234"), write(name="b.jpg")}
    assert len(changed | {first}) == 4


def test_fingerprint_follows_links(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (real / "labels.txt").write_text("cat")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "test").symlink_to(real)
    (real / "round").symlink_to(folder)  # and does not go round
    first = fingerprint(folder)
    (real / "labels.txt").write_text("dog")
    assert fingerprint(folder) != first


def test_fingerprint_reads_packed_labels(tmp_path):
    """Two label files of equal size, as MNIST packs them."""
    hashes = set()
    for content in (b"\x1f\x8b cat", b"\x1f\x8b dog"):
        (tmp_path / "labels.gz").write_bytes(content)
        hashes.add(fingerprint(tmp_path))
    assert len(hashes) == 2


def test_fingerprint_passes_over_a_link_to_nothing(tmp_path):
    (tmp_path / "a.txt").symlink_to(tmp_path / "nowhere")
    assert len(fingerprint(tmp_path)) == 12


def test_fingerprint_of_one_file(tmp_path):
    (tmp_path / "a.json").write_text("x")
    (tmp_path / "b.json").write_text("y")
    assert fingerprint(tmp_path / "a.json") != fingerprint(tmp_path / "b.json")
