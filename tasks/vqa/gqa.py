"""Reader of GQA's balanced questions."""

import sys
from collections.abc import Iterator

from mmbench.data.annotations import field, inside, read_json, shown
from mmbench.errors import UsageError

from .reader import Question, QuestionReader


class GQA(QuestionReader):
    """{ID: {"question", "answer", "imageId", "types": {"structural", "semantic"}}} and images `IMAGE_ID.jpg`."""

    def read(self) -> Iterator[tuple[str, Question]]:
        """The questions in the order of the file."""
        path = self.file("questions")
        questions = read_json(path, unique_keys=True)
        if not isinstance(questions, dict):
            raise UsageError(f"{shown(path)}: expected a JSON object of questions, found {type(questions).__name__}")
        for name, row in questions.items():
            where = f"{shown(path)}: question {name}"
            if not isinstance(row, dict):
                raise UsageError(f"{where}: expected a JSON object, found {type(row).__name__}")
            image = f"{field(row, 'imageId', str, where)}.jpg"
            inside(self.folder, image, where)
            types = field(row, "types", dict, where)
            yield (
                where,
                Question(
                    id=name,
                    text=sys.intern(field(row, "question", str, where)),
                    image=sys.intern(image),
                    answer=sys.intern(field(row, "answer", str, where)),
                    group=sys.intern(image),
                    meta={
                        "question_type": field(types, "structural", str, f"{where}: types"),
                        "semantic_type": field(types, "semantic", str, f"{where}: types"),
                    },
                ),
            )
