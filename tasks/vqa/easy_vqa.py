"""Reader of easy-VQA as the package easy-vqa lays it out."""

import json
import re
from pathlib import Path

from mmbench.data.card import DatasetCard
from mmbench.data.source import package_folder
from mmbench.errors import UsageError
from mmbench.sample import Sample


class EasyVQA:
    """One split: `SPLIT/questions.json` with [question, answer, image] rows, and `SPLIT/images/IMAGE.png`."""

    def __init__(self, card: DatasetCard, split: str) -> None:
        """Read the questions.

        Raises:
            UsageError: no such split, the package is missing, or the file is not what the card says.
        """
        card.check_split(split)
        self._split = split
        self._types = [(name, re.compile(pattern)) for name, pattern in card.question_types.items()]
        folder = package_folder(card) / split
        self._images = folder / "images"
        self._rows = _read_rows(folder / "questions.json")
        card.check_count(split, len(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int, /) -> Sample:
        question, answer, image = self._rows[index]
        return Sample(
            id=f"{self._split}/{index}",
            inputs={"image": self._images / f"{image}.png", "text": question},
            target=answer,
            group=f"{self._split}/image/{image}",
            meta={"question_type": self._type(question)},
        )

    def _type(self, question: str) -> str:
        return next((name for name, pattern in self._types if pattern.search(question)), "other")


def _read_rows(path: Path) -> list[tuple[str, str, int]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; reinstall the package easy-vqa") from error
    except ValueError as error:
        raise UsageError(f"{path}: not JSON: {error}") from error
    if not isinstance(rows, list):
        raise UsageError(f"{path}: expected a list of [question, answer, image number] rows, found {rows!r:.80}")
    for number, row in enumerate(rows):
        if not (isinstance(row, list) and [type(field) for field in row] == [str, str, int]):
            raise UsageError(f"{path}: row {number}: expected [question, answer, image number], found {row!r:.80}")
    return [tuple(row) for row in rows]
