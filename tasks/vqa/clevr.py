"""Reader of CLEVR v1.0."""

import sys
from collections.abc import Iterator
from typing import Any

from mmbench.data.annotations import field, inside, read_json, shown
from mmbench.errors import UsageError

from ..json_entries import entries
from .reader import Question, QuestionReader

_COMPARE = {"equal_integer", "less_than", "greater_than"}


class CLEVR(QuestionReader):
    """{"questions": [{"question_index", "image_filename", "question", "answer", "program"}]}; `images/SPLIT`."""

    def read(self) -> Iterator[tuple[str, Question]]:
        """The questions in the order of the file."""
        path = self.file("questions")
        for where, row in entries(read_json(path), shown(path), "questions"):
            number = field(row, "question_index", int, where)
            here = f"{where}: question_index {number}"
            image = sys.intern(field(row, "image_filename", str, here))
            inside(self.folder, image, here)
            yield (
                here,
                Question(
                    id=str(number),
                    text=sys.intern(field(row, "question", str, here)),
                    image=image,
                    answer=sys.intern(field(row, "answer", str, here)),
                    group=image,
                    meta={"question_type": _type(field(row, "program", list, here), here)},
                ),
            )


def _type(program: list[Any], where: str) -> str:
    """The five types of the paper's tables, by the last function of the question's program."""
    last = program[-1] if program else None
    if not isinstance(last, dict):
        raise UsageError(f"{where}: field 'program': expected a list of functions")
    function = field(last, "function", str, f"{where}: program")
    if function in ("count", "exist"):
        return function
    if function in _COMPARE:
        return "compare integer"
    kind, _, attribute = function.partition("_")
    if kind not in ("query", "equal") or not attribute:
        raise UsageError(f"{where}: unknown function {function!r} at the end of the program")
    return "query attribute" if kind == "query" else "compare attribute"
