"""Reader of DocVQA's files of task 1, single pages."""

from collections.abc import Iterator

from mmbench.data.annotations import field, inside, read_json, shown, texts

from ..json_entries import entries
from .reader import Question, QuestionReader


class DocVQA(QuestionReader):
    """{"data": [{"questionId", "question", "image", "answers", "question_types"}]} and page images.

    The files say `documents/PAGE.png`, the archive of images unpacks elsewhere: only the file's name counts.
    """

    def read(self) -> Iterator[tuple[str, Question]]:
        """The questions in the order of the file; the target is all answers that are right."""
        path = self.file("questions")
        for where, row in entries(read_json(path), shown(path), "data"):
            number = field(row, "questionId", int, where)
            here = f"{where}: questionId {number}"
            image = field(row, "image", str, here)
            page = inside(self.folder, image, here).name
            yield (
                here,
                Question(
                    id=str(number),
                    text=field(row, "question", str, here),
                    image=page,
                    answer=texts(row, "answers", here),
                    group=page,
                    # A question can be of several types; in one order, so that the same set is the same row.
                    meta={"question_type": ", ".join(sorted(texts(row, "question_types", here)))},
                ),
            )
