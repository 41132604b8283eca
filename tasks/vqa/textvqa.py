"""Reader of TextVQA's own files."""

import sys
from collections.abc import Iterator

from mmbench.data.annotations import field, inside, read_json, shown, texts

from ..json_entries import entries
from .reader import Question, QuestionReader, check_ten


class TextVQA(QuestionReader):
    """{"data": [{"question_id", "image_id", "question", "answers": ten texts}]} and images `IMAGE_ID.jpg`."""

    def read(self) -> Iterator[tuple[str, Question]]:
        """The questions in the order of the file; the target is what each person answered."""
        path = self.file("questions")
        for where, row in entries(read_json(path), shown(path), "data"):
            number = field(row, "question_id", int, where)
            here = f"{where}: question_id {number}"
            image = field(row, "image_id", str, here)
            name = f"{image}.jpg"
            inside(self.folder, name, here)
            answers = [sys.intern(answer) for answer in texts(row, "answers", here)]
            check_ten(answers, here)
            yield (
                here,
                Question(
                    id=str(number),
                    text=field(row, "question", str, here),
                    image=name,
                    answer=answers,
                    group=image,
                    meta={},
                ),
            )
