"""Data set cards: validated, and a clear line where they are wrong."""

import pytest
import yaml

from mmbench.data.card import DatasetCard, card_loader
from mmbench.errors import UsageError
from mmbench.registry import registry

GOOD = {
    "name": "small-vqa",
    "tasks": ["vqa"],
    "title": "a small one",
    "format": "easy-vqa",
    "source": {"kind": "package", "name": "small_vqa", "requirement": "small-vqa==1.0"},
    "revision": "1.0",
    "splits": {"train": 3, "test": 2},
    "default_split": "test",
    "train_split": "train",
    "licence": "MIT",
}


@pytest.fixture
def read(tmp_path):
    def card(**changes):
        data = {key: value for key, value in (GOOD | changes).items() if value is not None}
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return DatasetCard.from_yaml(path)

    return card


def test_good_card(read):
    card = read()
    assert card.splits == {"train": 3, "test": 2}
    assert card.source.root == "."
    assert card.question_types == {}


def test_question_types_keep_their_order(tmp_path):
    path = tmp_path / "small.yaml"
    types = {"zebra": "^z", "ant": "^a", "rest": ""}
    path.write_text(yaml.safe_dump(GOOD | {"question_types": types}, sort_keys=False), encoding="utf-8")
    assert list(DatasetCard.from_yaml(path).question_types.items()) == list(types.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licnce": "MIT"}, "small.yaml: licnce: "),
        ({"licence": None}, "small.yaml: licence: "),
        ({"splits": {"train": "many", "test": 2}}, "small.yaml: splits.train: "),
        ({"splits": ["train"]}, "small.yaml: splits: "),
        ({"source": {"kind": "ftp", "name": "x", "requirement": "x"}}, "small.yaml: source: "),
        ({"source": {**GOOD["source"], "url": "x"}}, "small.yaml: source.package.url: "),
        ({"revision": 1.0}, "small.yaml: revision: "),
        ({"question_types": {"color": "(what"}}, "small.yaml: question_types"),
    ],
    ids=["unknown key", "missing", "type", "mapping", "literal", "nested unknown key", "number", "pattern"],
)
def test_wrong_card_names_file_and_field_in_one_line(read, changes, message):
    with pytest.raises(UsageError) as caught:
        read(**changes)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_card_that_is_no_yaml(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("name: [unclosed\ntask: x", encoding="utf-8")
    with pytest.raises(UsageError, match=r"^broken\.yaml: not YAML: .*line 2") as caught:
        DatasetCard.from_yaml(path)
    assert "\n" not in str(caught.value)


def test_card_that_is_no_mapping(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("- a\n- b\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"^list\.yaml: card: "):
        DatasetCard.from_yaml(path)


def test_tags_that_would_run_code_are_refused(tmp_path):
    path = tmp_path / "tagged.yaml"
    path.write_text("name: !!python/object/apply:os.getcwd []\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"^tagged\.yaml: not YAML: could not determine a constructor"):
        DatasetCard.from_yaml(path)


def test_cards_do_not_change(read):
    with pytest.raises(ValueError, match="frozen"):
        read().revision = "2.0"


def test_unknown_split_gives_the_nearest(read):
    with pytest.raises(UsageError, match=r"unknown split of small-vqa 'tets'; did you mean 'test'\?"):
        read().check_split("tets")
    read().check_split("train")


def test_wrong_count_gives_both_numbers(read):
    with pytest.raises(UsageError, match="small-vqa train: expected 3 samples, found 4"):
        read().check_count("train", 4)
    read().check_count("train", 3)


def test_count_that_is_not_fixed(read):
    card = read(splits={"train": None, "test": 2})
    card.check_count("train", 17)
    with pytest.raises(UsageError, match="small-vqa train: no samples found"):
        card.check_count("train", 0)


def test_splits_that_the_files_decide(read):
    read(splits={}).check_split("whatever")


def test_place_of_the_files_is_no_part_of_the_card(read, tmp_path):
    assert read().at(tmp_path).local == tmp_path
    assert str(tmp_path) not in read().at(tmp_path).model_dump_json()


def test_cards_of_a_folder_by_name(tmp_path):
    (tmp_path / "small_vqa.yaml").write_text(yaml.safe_dump(GOOD), encoding="utf-8")
    load = card_loader(tmp_path)
    assert load("small_vqa").name == "small-vqa"
    with pytest.raises(AttributeError, match=r"large\.yaml"):
        load("large")


@pytest.mark.parametrize("name", registry.names("dataset"))
def test_registered_card_is_whole(name):
    card = registry.load("dataset", name)
    assert card.name == name
    if card.splits:
        assert {card.default_split, card.train_split} - {None} <= set(card.splits)
    assert card.licence
    for task in (registry.load("task", task)() for task in card.tasks):
        assert name in task.card.datasets
        for metric in task.card.metrics_on(card):
            registry.entry("metric", metric)


def _at_hand():
    return [
        name
        for name in registry.names("dataset")
        if registry.load("dataset", name).source.kind in ("package", "generated")
    ]


@pytest.mark.parametrize("name", _at_hand())
def test_data_that_need_no_network_are_what_the_card_says(name):
    card = registry.load("dataset", name)
    task = registry.load("task", card.tasks[0])()
    for split, n in card.splits.items():
        assert len(task.load(card, split)) == n
