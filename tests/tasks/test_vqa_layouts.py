"""Data sets for visual question answering in the layouts in which people have them: small files made by hand."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from mmbench.data.decode import DecodeError, load_image
from mmbench.sample import Sample
from mmbench_tasks.vqa import datasets
from mmbench_tasks.vqa.task import VQA

LAYOUTS = Path(__file__).parent / "vqa_layouts"
SPLITS = {
    "vqa-v2": "val",
    "ok-vqa": "train",
    "textvqa": "val",
    "docvqa": "val",
    "chartqa": "test",
    "gqa": "testdev",
    "clevr": "val",
    "nlvr": "dev",
    "vqa-rad": "test",
}
IMAGES = {
    "vqa-v2": "val2014/COCO_val2014_000000000042.jpg",
    "ok-vqa": "train2014/COCO_train2014_000000000042.jpg",
    "textvqa": "train_images/003a.jpg",
    "docvqa": "spdocvqa_images/x_1.png",
    "chartqa": "test/png/41.png",
    "gqa": "images/n1.jpg",
    "clevr": "images/val/CLEVR_val_000000.png",
    "nlvr": "dev/images/3/dev-7-0-0.png",
    "vqa-rad": "images/synpic5.jpg",
}


def card_of(name, folder):
    """The card of files at `folder`, whose splits may have any number of samples."""
    card = getattr(datasets, name.replace("-", "_"))
    return card.model_copy(update={"splits": dict.fromkeys(card.splits)}).at(folder)


def read(name, folder=None):
    dataset = VQA().load(card_of(name, folder or LAYOUTS / name), SPLITS[name])
    return [dataset[index] for index in range(len(dataset))]


@pytest.mark.parametrize("name", SPLITS)
def test_images_are_found_and_opened_only_to_decode(tmp_path, name):
    shutil.copytree(LAYOUTS / name, tmp_path, dirs_exist_ok=True)
    sample = read(name, tmp_path)[0]
    path = tmp_path / IMAGES[name]
    assert sample.inputs["image"] == path
    with pytest.raises(DecodeError, match="no such file"):
        load_image(sample.inputs["image"])
    path.parent.mkdir(parents=True)
    Image.new("RGB", (3, 2)).save(path)
    assert load_image(sample.inputs["image"]).size == (3, 2)


def test_vqa_v2_joins_by_question_and_keeps_every_answer():
    """The two files are in another order."""
    first, second = read("vqa-v2")
    assert first == Sample(
        id="42000",
        inputs={"image": LAYOUTS / "vqa-v2" / IMAGES["vqa-v2"], "text": "What color is it?"},
        target=["red"] * 9 + ["dark red"],
        group="COCO_val2014_000000000042.jpg",
        meta={"question_type": "two", "answer_type": "other"},
    )
    assert (second.id, second.meta["question_type"], second.label) == ("42001", "how many", "red")


def test_vqa_v2_in_the_folders_of_its_own_tools(tmp_path):
    for folder, kind in (("Questions", "questions"), ("Annotations", "annotations")):
        (tmp_path / folder).mkdir()
        for file in (LAYOUTS / "vqa-v2").glob(f"*_{kind}.json"):
            shutil.copy(file, tmp_path / folder)
    (tmp_path / "Images/mscoco/val2014").mkdir(parents=True)
    first = read("vqa-v2", tmp_path)[0]
    assert first.inputs["image"] == tmp_path / "Images/mscoco/val2014/COCO_val2014_000000000042.jpg"


def test_ok_vqa_names_its_question_types():
    """Its annotations give types as number words, and their names beside."""
    assert [sample.meta["question_type"] for sample in read("ok-vqa")] == ["Brands, Companies and Products", "how many"]


def test_textvqa():
    first, second = read("textvqa")
    assert (first.id, first.target, first.group) == ("34602", ["nokia"] * 10, "003a")
    assert (second.id, second.inputs["text"]) == ("34603", "why?")


def test_textvqa_as_its_archive_unpacks(tmp_path):
    shutil.copytree(LAYOUTS / "textvqa", tmp_path, dirs_exist_ok=True)
    (tmp_path / "train_val_images/train_images").mkdir(parents=True)
    assert read("textvqa", tmp_path)[0].inputs["image"] == tmp_path / "train_val_images/train_images/003a.jpg"


def test_docvqa():
    first = read("docvqa")[0]
    assert (first.id, first.target, first.group) == ("49153", ["1/8/93", "1.8.93"], "x_1.png")
    assert first.meta == {"question_type": "form, table/list"}


def test_chartqa_has_both_files_under_ids_of_their_own():
    human, augmented = read("chartqa")
    assert (human.id, human.target, human.meta) == ("test/human/0", "14", {"question_type": "human"})
    assert (augmented.id, augmented.target, augmented.group) == ("test/augmented/0", "2008", "two.png")


def test_gqa():
    first, second = read("gqa")
    assert (first.id, first.target, first.group) == ("20", "yes", "n1.jpg")
    assert second.meta == {"question_type": "query", "semantic_type": "obj"}


def test_clevr_tells_types_from_programs():
    samples = read("clevr")
    assert [(sample.id, sample.meta["question_type"]) for sample in samples] == [
        ("0", "count"),
        ("1", "exist"),
        ("2", "compare integer"),
        ("3", "query attribute"),
        ("4", "compare attribute"),
    ]


def test_nlvr_in_the_layout_of_the_corpus():
    first, second = read("nlvr")
    assert (first.id, first.target, second.id, second.target) == ("dev-7-0", "true", "dev-7-1", "false")
    assert first.inputs["text"] == "There is a  box."
    assert first.group == second.group == "There is a box."


def test_nlvr_with_all_orders_of_the_boxes():
    card = card_of("nlvr", LAYOUTS / "nlvr")
    samples = VQA().load(card.model_copy(update={"options": {**card.options, "permutations": 6}}), "dev")
    assert len(samples) == 12
    assert samples[5].id == "dev-7-0-5"
    assert samples[5].inputs["image"] == LAYOUTS / "nlvr/dev/images/3/dev-7-0-5.png"
    assert samples[5].group == samples[11].group


def test_vqa_rad_tidies_what_it_says():
    first, second = read("vqa-rad")
    assert (first.id, first.inputs["text"], first.target) == ("5", "Is it normal ?", "yes indeed")
    assert first.meta == {
        "question_type": "POS, PRES",
        "answer_type": "closed",
        "organ": "CHEST",
        "phrase_type": "para",
    }
    assert (second.id, second.target) == ("6", "12")
