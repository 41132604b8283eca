"""Damaged annotations of data sets for visual question answering: one line with file, entry and id; nothing is lost."""

import json
import re
import shutil
from pathlib import Path

import pytest

from mmbench.errors import UsageError
from mmbench_tasks.vqa import datasets
from mmbench_tasks.vqa.task import VQA

LAYOUTS = Path(__file__).parent / "vqa_layouts"
# Of each file: the data set, the split, the keys that lead to its first question, the fields that it must have.
FILES = {
    "v2_OpenEnded_mscoco_val2014_questions.json": (
        "vqa-v2", "val", ("questions", 0), ("question_id", "image_id", "question"),
    ),
    "v2_mscoco_val2014_annotations.json": (
        "vqa-v2", "val", ("annotations", 0), ("question_id", "image_id", "question_type", "answer_type", "answers"),
    ),
    "OpenEnded_mscoco_train2014_questions.json": (
        "ok-vqa", "train", ("questions", 0), ("question_id", "image_id", "question"),
    ),
    "TextVQA_0.5.1_val.json": ("textvqa", "val", ("data", 0), ("question_id", "image_id", "question", "answers")),
    "spdocvqa_qas/val_v1.0_withQT.json": (
        "docvqa", "val", ("data", 0), ("questionId", "question", "image", "answers", "question_types"),
    ),
    "test/test_human.json": ("chartqa", "test", (0,), ("imgname", "query", "label")),
    "test/test_augmented.json": ("chartqa", "test", (0,), ("imgname", "query", "label")),
    "testdev_balanced_questions.json": ("gqa", "testdev", ("20",), ("question", "answer", "imageId", "types")),
    "questions/CLEVR_val_questions.json": (
        "clevr", "val", ("questions", 0), ("question_index", "image_filename", "question", "answer", "program"),
    ),
    "dev/dev.json": ("nlvr", "dev", (0,), ("sentence", "label", "identifier", "directory")),
    "VQA_RAD_Dataset_Public.json": (
        "vqa-rad", "test", (0,),
        ("qid", "image_name", "phrase_type", "question", "answer", "answer_type", "question_type", "image_organ"),
    ),
}  # fmt: skip
FIELDS = [(file, field) for file, (_, _, _, fields) in FILES.items() for field in fields]


class Copy:
    """A copy of a layout in which one file can be changed."""

    def __init__(self, file, folder):
        self.set, self.split, self.keys, _ = FILES[file]
        self.folder = folder
        self.path = folder / file
        self.shown = "/".join(self.path.parts[-2:])
        self.lines = self.set == "nlvr"
        shutil.copytree(LAYOUTS / self.set, folder, dirs_exist_ok=True)

    def content(self):
        text = self.path.read_text()
        return [json.loads(line) for line in text.splitlines()] if self.lines else json.loads(text)

    def write(self, content):
        lines = "".join(json.dumps(row) + "\n" for row in content) if self.lines else json.dumps(content)
        self.path.write_text(lines)

    def change(self, change, keys=None):
        """Let `change` do something to what is at `keys`, by default to the first question."""
        content = at = self.content()
        for key in self.keys if keys is None else keys:
            at = at[key]
        change(at)
        self.write(content)

    def load(self):
        card = getattr(datasets, self.set.replace("-", "_"))
        return VQA().load(card.model_copy(update={"splits": dict.fromkeys(card.splits)}).at(self.folder), self.split)

    def refusal(self):
        with pytest.raises(UsageError) as caught:
            self.load()
        assert "\n" not in str(caught.value)
        assert str(self.folder.parent) not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def copy(tmp_path):
    return lambda file: Copy(file, tmp_path / "copy")


@pytest.mark.parametrize(("file", "field"), FIELDS)
def test_missing_field(copy, file, field):
    data = copy(file)
    data.change(lambda question: question.pop(field))
    assert re.match(rf"{re.escape(data.shown)}:.*: no field '{field}'$", data.refusal())


@pytest.mark.parametrize(("file", "field"), FIELDS)
@pytest.mark.parametrize("value", [None, True, 1.5])
def test_field_of_another_kind(copy, file, field, value):
    data = copy(file)
    data.change(lambda question: question.update({field: value}))
    assert re.match(rf"{re.escape(data.shown)}:.*: field '{field}': expected .*, found ", data.refusal())


@pytest.mark.parametrize("file", FILES)
def test_no_file_says_what_to_get(copy, file):
    data = copy(file)
    data.path.unlink()
    card = getattr(datasets, data.set.replace("-", "_"))
    assert re.match(rf"data set '{data.set}': no .*{re.escape(Path(file).name)}.* in .*; ", data.refusal())
    assert data.refusal().endswith(card.source.get)


@pytest.mark.parametrize("file", FILES)
def test_not_json(copy, file):
    data = copy(file)
    data.path.write_text(data.path.read_text()[:-30])
    assert re.match(rf"{re.escape(data.shown)}:\d+: not JSON: ", data.refusal())


@pytest.mark.parametrize("file", FILES)
def test_not_utf8(copy, file):
    data = copy(file)
    data.path.write_bytes(data.path.read_bytes().replace(b"e", b"\xe9", 1))
    assert re.match(rf"{re.escape(data.shown)}:\d+: not UTF-8 text \(byte 0xe9\)", data.refusal())


@pytest.mark.parametrize("file", [file for file in FILES if FILES[file][0] != "nlvr"])
@pytest.mark.parametrize("content", [7, "text", None])
def test_file_that_holds_something_else(copy, file, content):
    data = copy(file)
    data.write(content)
    assert re.match(rf"{re.escape(data.shown)}: expected a JSON (list|object)", data.refusal())


@pytest.mark.parametrize("file", FILES)
def test_question_that_is_no_object(copy, file):
    data = copy(file)
    content = at = data.content()
    for key in data.keys[:-1]:
        at = at[key]
    at[data.keys[-1]] = ["what?", "yes"]
    data.write(content)
    assert re.match(rf"{re.escape(data.shown)}.*: expected (a|one) JSON object.*, found .*list", data.refusal())


@pytest.mark.parametrize("file", [file for file in FILES if FILES[file][0] not in ("chartqa", "gqa")])
def test_id_that_is_there_twice(copy, file):
    """ChartQA has no ids; in GQA's files they are keys, see below."""
    data = copy(file)
    data.change(lambda questions: questions.append(dict(questions[0])), data.keys[:-1])
    assert re.match(rf"{re.escape(data.shown)}:.*twice; the first is at {re.escape(data.shown)}", data.refusal())


def test_id_that_is_there_twice_as_a_key(copy):
    data = copy("testdev_balanced_questions.json")
    text = data.path.read_text().strip()
    data.path.write_text(f"{text[:-1]}, {text[1:]}")
    assert data.refusal() == f"{data.shown}: key '20' is there twice in one object"


# Of each file: how an answer that says nothing is written, and one of several that do not.
ANSWERS = {
    "v2_mscoco_val2014_annotations.json": ("answers", [{"answer": " "}] * 10),
    "TextVQA_0.5.1_val.json": ("answers", [""] * 10),
    "spdocvqa_qas/val_v1.0_withQT.json": ("answers", ["", "\t"]),
    "test/test_human.json": ("label", ""),
    "test/test_augmented.json": ("label", " "),
    "testdev_balanced_questions.json": ("answer", ""),
    "questions/CLEVR_val_questions.json": ("answer", ""),
}


@pytest.mark.parametrize("file", ANSWERS)
def test_answer_that_is_empty(copy, file):
    data = copy(file)
    field, value = ANSWERS[file]
    data.change(lambda question: question.update({field: value}))
    assert re.match(rf"{re.escape(data.shown)}: .*: the answer is empty$", data.refusal())


@pytest.mark.parametrize("file", ["TextVQA_0.5.1_val.json", "v2_mscoco_val2014_annotations.json"])
def test_person_who_said_nothing(copy, file):
    """Of ten answers one may be empty, as some in VQA v2 are."""
    data = copy(file)
    given = [""] + ["red"] * 9
    rows = given if "Text" in file else [{"answer": answer} for answer in given]
    data.change(lambda question: question.update(answers=rows))
    dataset = data.load()
    assert given in [dataset[index].target for index in range(len(dataset))]


@pytest.mark.parametrize("file", ["TextVQA_0.5.1_val.json", "v2_mscoco_val2014_annotations.json"])
@pytest.mark.parametrize("count", [9, 11])
def test_answers_of_other_than_ten_people(copy, file, count):
    data = copy(file)
    rows = ["red"] * count if "Text" in file else [{"answer": "red"}] * count
    data.change(lambda question: question.update(answers=rows))
    assert re.match(rf"{re.escape(data.shown)}: .* \d+: field 'answers': expected 10, found {count}$", data.refusal())


@pytest.mark.parametrize("file", [file for file in FILES if "annotations" not in file and "RAD" not in file])
def test_question_that_is_empty(copy, file):
    data = copy(file)
    field = next(name for name in ("question", "query", "sentence") if name in FILES[file][3])
    data.change(lambda question: question.update({field: " \n"}))
    assert re.match(rf"{re.escape(data.shown)}:.*: the question is empty$", data.refusal())


def test_number_of_questions_that_is_not_the_official_one():
    with pytest.raises(UsageError, match="gqa testdev: expected 12578 samples, found 2"):
        VQA().load(datasets.gqa.at(LAYOUTS / "gqa"), "testdev")


@pytest.mark.parametrize(
    ("file", "field"),
    [
        ("TextVQA_0.5.1_val.json", "image_id"),
        ("spdocvqa_qas/val_v1.0_withQT.json", "image"),
        ("test/test_human.json", "imgname"),
        ("testdev_balanced_questions.json", "imageId"),
        ("questions/CLEVR_val_questions.json", "image_filename"),
        ("dev/dev.json", "directory"),
        ("VQA_RAD_Dataset_Public.json", "image_name"),
    ],
)
def test_image_outside_the_data_set(copy, file, field):
    data = copy(file)
    data.change(lambda question: question.update({field: "../../elsewhere"}))
    assert re.match(rf"{re.escape(data.shown)}:.* lies outside the data set", data.refusal())


def test_question_without_annotation(copy):
    data = copy("v2_OpenEnded_mscoco_val2014_questions.json")
    data.change(lambda question: question.update(question_id=9))
    assert re.fullmatch(
        r"copy/v2_\S+_questions.json: entry 1 of questions: question_id 9: no annotation in copy/v2_\S+ons.json",
        data.refusal(),
    )


def test_annotation_without_question(copy):
    data = copy("v2_OpenEnded_mscoco_val2014_questions.json")
    data.change(lambda questions: questions.pop(), ("questions",))
    assert re.fullmatch(
        r"copy/v2_\S+_annotations.json: entry 1 of annotations: question_id 42001: no question in copy/v2_\S+ons.json",
        data.refusal(),
    )


def test_question_and_annotation_of_two_images(copy):
    data = copy("v2_mscoco_val2014_annotations.json")
    data.change(lambda annotation: annotation.update(image_id=43))
    assert re.search("question_id 42001: image_id 42, but 43 at copy/v2_mscoco_val2014_annotations", data.refusal())


@pytest.mark.parametrize("answers", [[], [None], [{}], [{"answer": 2}], ["red"]])
def test_answers_of_vqa_that_are_none(copy, answers):
    data = copy("v2_mscoco_val2014_annotations.json")
    data.change(lambda annotation: annotation.update(answers=answers))
    assert re.search("entry 1 of annotations: question_id 42001: field 'answers'", data.refusal())


@pytest.mark.parametrize("file", ["TextVQA_0.5.1_val.json", "spdocvqa_qas/val_v1.0_withQT.json"])
@pytest.mark.parametrize("answers", [[], [None], [2]])
def test_answers_that_are_no_texts(copy, file, answers):
    data = copy(file)
    data.change(lambda question: question.update(answers=answers))
    assert re.search("entry 1 of data: .*field 'answers': expected", data.refusal())


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("dev/dev.json", {"label": "True"}, "field 'label': expected 'true' or 'false', found 'True'"),
        ("dev/dev.json", {"label": False}, "field 'label': expected str, found bool False"),
        ("VQA_RAD_Dataset_Public.json", {"phrase_type": "dev"}, "qid 5: field 'phrase_type': expected freeform"),
        ("VQA_RAD_Dataset_Public.json", {"answer_type": "YES"}, "qid 5: field 'answer_type': expected CLOSED or OPEN"),
        ("VQA_RAD_Dataset_Public.json", {"answer": "NULL"}, "qid 5: field 'answer' is empty"),
        ("VQA_RAD_Dataset_Public.json", {"question": " \t"}, "qid 5: field 'question' is empty"),
        ("questions/CLEVR_val_questions.json", {"program": []}, "question_index 0: field 'program': expected a list"),
        ("questions/CLEVR_val_questions.json", {"program": [{"function": "scene"}]}, "unknown function 'scene' at the"),
        (
            "testdev_balanced_questions.json",
            {"types": {"semantic": "obj"}},
            "20: types: no field 'structural'",
        ),
    ],
)
def test_value_that_a_data_set_does_not_have(copy, file, change, message):
    data = copy(file)
    data.change(lambda question: question.update(change))
    assert message in data.refusal()


@pytest.mark.parametrize("name", ["vqa_v2", "textvqa", "docvqa", "clevr", "gqa", "ok_vqa"])
def test_split_without_public_answers(name):
    """Refused by name, before any file is looked for: nothing could be scored."""
    with pytest.raises(UsageError, match=f"unknown split of {name.replace('_', '-')} 'challenge'"):
        VQA().load(getattr(datasets, name), "challenge")
    assert "test" not in getattr(datasets, name).splits


@pytest.mark.parametrize("name", ["vqa_v2", "ok_vqa", "textvqa", "docvqa", "chartqa", "gqa", "clevr", "nlvr"])
def test_no_files_at_all_says_how_to_get_them(monkeypatch, name):
    monkeypatch.delenv("MMBENCH_DATA", raising=False)
    card = getattr(datasets, name)
    with pytest.raises(UsageError, match=re.escape(f"data set {card.name!r}: {card.source.get.rstrip('.')}")):
        VQA().load(card, card.default_split)


def test_split_rule_that_does_not_exist():
    options = {**datasets.vqa_rad.options, "split": "image_disjoint"}
    card = datasets.vqa_rad.at(LAYOUTS / "vqa-rad").model_copy(update={"options": options})
    with pytest.raises(UsageError, match="option split of data set vqa-rad 'image_disjoint'; did you mean 'image-dis"):
        VQA().load(card, "test")


def test_format_that_has_no_reader():
    card = datasets.nlvr.model_copy(update={"format": "nlvr2"})
    with pytest.raises(UsageError, match="unknown format of data set nlvr 'nlvr2'; did you mean 'nlvr'"):
        VQA().load(card, "dev")


def test_every_file_that_is_missing_is_named(tmp_path):
    card = datasets.vqa_v2.at(tmp_path)
    with pytest.raises(
        UsageError, match=r"no v2_OpenEnded_\S+_questions\.json .* and no v2_\S+_annotations\.json "
    ) as caught:
        VQA().load(card, "val")
    assert "\n" not in str(caught.value)
