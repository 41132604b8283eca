"""Where data set files are: inside an installed package, in the version that the card pins."""

import sys

import pytest

from mmbench.data.card import DatasetCard, Source
from mmbench.data.source import package_folder
from mmbench.errors import UsageError


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
        source = Source(kind="package", name=name, requirement=requirement, root=root)
        return DatasetCard(
            name="small",
            task="vqa",
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
