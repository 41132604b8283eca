"""Reader of VQA-RAD's public file, with the published split or one that shares no image."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from mmbench.data.annotations import field, inside, read_json, shown
from mmbench.errors import UsageError, unknown_name

from ..json_entries import entries
from .reader import Question, QuestionReader

_RULES = ("published", "image-disjoint")
_ANSWER_TYPES = ("closed", "open")
_MISSPELT = {"ATRIB": "ATTRIB", "PRSE": "PRES"}


class VQARAD(QuestionReader):
    """A list of {"qid", "image_name", "question", "answer", "answer_type", "question_type", "phrase_type", ...}.

    The card's option `split` is `published` (by `phrase_type`) or `image-disjoint` (by a hash of the image's name).
    White space inside a question or an answer becomes one space, outer space goes; answers are in lower case, since
    the file mixes `Yes` and `yes`; a number becomes text. Nothing else is changed.
    """

    def read(self) -> Iterator[tuple[str, Question]]:
        """The questions of the split in the order of the file, named by `qid`."""
        path = self.file("questions")
        rule = self.card.options.get("split", _RULES[0])
        if rule not in _RULES:
            raise unknown_name(f"option split of data set {self.card.name}", rule, _RULES)
        for where, row in entries(read_json(path), shown(path)):
            name = str(field(row, "qid", (int, str), where))
            here = f"{where}: qid {name}"
            image = field(row, "image_name", str, here)
            inside(self.folder, image, here)
            phrase = field(row, "phrase_type", str, here)
            split = (
                _published(phrase, here) if rule == "published" else image_split(image, self.card.options["test_share"])
            )
            if split != self.split:
                continue
            yield (
                here,
                Question(
                    id=name,
                    text=_text(row, "question", here),
                    image=image,
                    answer=_text(row, "answer", here).lower(),
                    group=image,
                    meta={
                        "question_type": _question_type(row, here),
                        "answer_type": _answer_type(row, here),
                        "organ": field(row, "image_organ", str, here),
                        "phrase_type": phrase.removeprefix("test_"),
                    },
                ),
            )


def image_split(image: str, test_share: float) -> str:
    """The side of an image when no image is on both: `test` for about that share of the images, by a hash of the name.

    The hash is of its own: `mmbench.data.split.split_by_group` takes the validation images out of `train` by a hash of
    the same name, and would find none left if it were the same one.
    """
    draw = int.from_bytes(sha256(f"image-disjoint/{image}".encode()).digest()[:4], "big")
    return "test" if draw < int(test_share * 2**32) else "train"


def _published(phrase: str, where: str) -> str:
    if phrase in ("test_freeform", "test_para"):
        return "test"
    if phrase in ("freeform", "para"):
        return "train"
    raise UsageError(f"{where}: field 'phrase_type': expected freeform, para or either after test_, found {phrase!r}")


def _text(row: dict[str, Any], name: str, where: str) -> str:
    text = " ".join(str(field(row, name, (str, int), where)).split())
    if text in ("", "NULL"):
        raise UsageError(f"{where}: field {name!r} is empty")
    return text


def _answer_type(row: dict[str, Any], where: str) -> str:
    kind = field(row, "answer_type", str, where).strip().lower()
    if kind not in _ANSWER_TYPES:
        raise UsageError(f"{where}: field 'answer_type': expected CLOSED or OPEN, found {row['answer_type']!r}")
    return kind


def _question_type(row: dict[str, Any], where: str) -> str:
    """In upper case, spelling mended; several in alphabetical order, since the file has both `POS, PRES` and back."""
    kinds = [kind.strip().upper() for kind in field(row, "question_type", str, where).split(",")]
    return ", ".join(sorted(_MISSPELT.get(kind, kind) for kind in kinds))
