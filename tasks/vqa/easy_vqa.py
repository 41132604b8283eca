"""Reader of easy-VQA as the package easy-vqa lays it out."""

import re
from collections.abc import Iterator
from pathlib import Path

from mmbench.data.annotations import read_json, shown
from mmbench.errors import UsageError

from .reader import Question, QuestionReader


class EasyVQA(QuestionReader):
    """`SPLIT/questions.json` with [question, answer, image] rows, and `SPLIT/images/IMAGE.png`."""

    def read(self) -> Iterator[tuple[str, Question]]:
        """One question a row, named by its position."""
        types = [(name, re.compile(pattern)) for name, pattern in self.card.question_types.items()]
        path = self.file("questions")
        for number, (text, answer, image) in enumerate(_read_rows(path)):
            kind = next((name for name, pattern in types if pattern.search(text)), "other")
            yield (
                f"{shown(path)}: row {number}",
                Question(
                    id=f"{self.split}/{number}",
                    text=text,
                    image=f"{image}.png",
                    answer=answer,
                    group=f"{self.split}/image/{image}",
                    meta={"question_type": kind},
                ),
            )


def _read_rows(path: Path) -> Iterator[tuple[str, str, int]]:
    rows = read_json(path)
    if not isinstance(rows, list):
        raise UsageError(f"{shown(path)}: expected a list of [question, answer, image number] rows, found {rows!r:.80}")
    for number, row in enumerate(rows):
        if not (isinstance(row, list) and [type(field) for field in row] == [str, str, int]):
            raise UsageError(
                f"{shown(path)}: row {number}: expected [question, answer, image number], found {row!r:.80}"
            )
        yield row[0], row[1], row[2]
