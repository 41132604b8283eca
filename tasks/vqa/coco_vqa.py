"""Reader of the official VQA layout: VQA v2 and OK-VQA."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmbench.data.annotations import field, read_json, shown
from mmbench.errors import UsageError

from ..json_entries import entries
from .reader import Question, QuestionReader, check_ten


class COCOVQA(QuestionReader):
    """Questions and annotations in two files, joined by `question_id`, on COCO's images of 2014.

    `questions`: {"questions": [{"question_id", "image_id", "question"}]}; `annotations`: {"annotations":
    [{"question_id", "image_id", "question_type", "answer_type", "answers": [{"answer"}]}]}, and in OK-VQA also
    "question_types", the names of the types; images `COCO_SPLIT2014_` and the id in 12 digits.
    """

    def read(self) -> Iterator[tuple[str, Question]]:
        """The questions in the order of their file; the target is what each person answered."""
        questions, path = self.files("questions", "annotations")
        annotations = _by_question(path)
        unused = dict.fromkeys(annotations)
        for where, row in entries(read_json(questions), shown(questions), "questions"):
            number = field(row, "question_id", int, where)
            here = f"{where}: question_id {number}"
            annotation = annotations.get(number)
            if annotation is None:
                raise UsageError(f"{here}: no annotation in {shown(path)}")
            unused.pop(number, None)
            image = field(row, "image_id", int, here)
            if image != annotation.image:
                raise UsageError(f"{here}: image_id {image}, but {annotation.image} at {annotation.where}")
            name = sys.intern(f"COCO_{self.split}2014_{image:012d}.jpg")
            yield (
                here,
                Question(
                    id=str(number),
                    text=sys.intern(field(row, "question", str, here)),
                    image=name,
                    answer=annotation.answers,
                    group=name,
                    meta={"question_type": annotation.question_type, "answer_type": annotation.answer_type},
                ),
            )
        for number in unused:
            raise UsageError(f"{annotations[number].where}: question_id {number}: no question in {shown(questions)}")


class _Annotation(NamedTuple):
    where: str
    image: int
    question_type: str
    answer_type: str
    answers: list[str]


def _by_question(path: Path) -> dict[int, _Annotation]:
    value = read_json(path)
    found: dict[int, _Annotation] = {}
    for where, row in entries(value, shown(path), "annotations"):
        number = field(row, "question_id", int, where)
        here = f"{where}: question_id {number}"
        if number in found:
            raise UsageError(f"{here} is there twice; the first is at {found[number].where}")
        kind = field(row, "question_type", str, here)
        found[number] = _Annotation(
            where=where,
            image=field(row, "image_id", int, here),
            question_type=_type_name(value, kind),
            answer_type=field(row, "answer_type", str, here),
            answers=_answers(row, here),
        )
    return found


def _type_name(value: dict[str, Any], kind: str) -> str:
    """OK-VQA gives types by number words and their names beside; VQA v2 has no such table."""
    names = value.get("question_types")
    name = names.get(kind) if isinstance(names, dict) else None
    return sys.intern(name if isinstance(name, str) else kind)


def _answers(row: dict[str, Any], where: str) -> list[str]:
    answers = field(row, "answers", list, where)
    try:
        found = [sys.intern(answer["answer"]) for answer in answers]
    except (KeyError, TypeError) as error:  # four million answers are not asked one by one what they are
        raise UsageError(f"{where}: field 'answers': expected objects with the text 'answer'") from error
    check_ten(found, where)
    return found
