"""Reader of NLVR: whether a statement about a drawing is true."""

from collections.abc import Iterator
from typing import Any

from mmbench.data.annotations import field, inside, read_jsonl, shown
from mmbench.errors import UsageError

from .reader import Question, QuestionReader

_LABELS = ("true", "false")


class NLVR(QuestionReader):
    """One JSON object a line: {"sentence", "label", "identifier", and "image" or "directory"}.

    With "image" that is the image's path. Without, the layout is the corpus's own: every statement has six images,
    `SPLIT/images/DIRECTORY/SPLIT-IDENTIFIER-K.png`, the same drawing with its boxes in another order; the card's
    option `permutations` says how many of them count, each as a sample.
    """

    def read(self) -> Iterator[tuple[str, Question]]:
        """The statements in the order of the file. The group is the sentence, which is put to several drawings."""
        path = self.file("statements")
        for number, row in read_jsonl(path):
            where = f"{shown(path)}:{number}"
            name = field(row, "identifier", str, where)
            here = f"{where}: identifier {name}"
            sentence = field(row, "sentence", str, here)
            label = field(row, "label", str, here)
            if label not in _LABELS:
                raise UsageError(f"{here}: field 'label': expected 'true' or 'false', found {label!r}")
            for image, suffix in self._pictures(row, name, here):
                inside(self.folder, image, here)
                yield (
                    here,
                    Question(f"{self.split}-{name}{suffix}", sentence, image, label, " ".join(sentence.split()), {}),
                )

    def _pictures(self, row: dict[str, Any], name: str, where: str) -> Iterator[tuple[str, str]]:
        """Each image with what it adds to the sample's id."""
        if "image" in row:
            yield field(row, "image", str, where), ""
            return
        permutations = int(self.card.options.get("permutations", 1))
        folder = f"{self.split}/images/{field(row, 'directory', str, where)}"
        for k in range(permutations):
            yield f"{folder}/{self.split}-{name}-{k}.png", f"-{k}" if permutations > 1 else ""
