"""Reader of ChartQA as its repository lays it out."""

from collections.abc import Iterator

from mmbench.data.annotations import field, inside, read_json, shown

from ..json_entries import entries
from .reader import Question, QuestionReader

_SOURCES = ("human", "augmented")


class ChartQA(QuestionReader):
    """`SPLIT/SPLIT_human.json` and `SPLIT/SPLIT_augmented.json`: lists of {"imgname", "query", "label"}.

    The charts are in `SPLIT/png`.
    """

    def read(self) -> Iterator[tuple[str, Question]]:
        """The questions that people wrote, then the generated ones; named by file and position, having no ids."""
        for source in _SOURCES:
            path = self.file(source)
            for number, (where, row) in enumerate(entries(read_json(path), shown(path))):
                image = field(row, "imgname", str, where)
                inside(self.folder, image, where)
                yield (
                    where,
                    Question(
                        id=f"{self.split}/{source}/{number}",
                        text=field(row, "query", str, where),
                        image=image,
                        answer=field(row, "label", str, where),
                        group=image,
                        meta={"question_type": source},
                    ),
                )
