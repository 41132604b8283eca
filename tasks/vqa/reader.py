"""What the readers of all data sets share: a split as questions in memory, its images as paths."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mmbench.data.annotations import UniqueIds, shown
from mmbench.data.card import DatasetCard, FilesSource, PackageSource
from mmbench.data.source import data_folder
from mmbench.errors import UsageError
from mmbench.sample import Sample

_PEOPLE = 10


class Question(NamedTuple):
    """One question as a reader finds it.

    Attributes:
        id: unique in its split.
        text: the question.
        image: the image's path below the folder of images.
        answer: the answer, or those that several people gave.
        group: the cluster for intervals.
        meta: what breakdowns need.
    """

    id: str
    text: str
    image: str
    answer: str | list[str]
    group: str
    meta: Mapping[str, str]


class QuestionReader(ABC):
    """Base of the readers: one split of a data set. Annotations are read and checked whole, images never."""

    def __init__(self, card: DatasetCard, split: str) -> None:
        """Read the questions.

        Raises:
            UsageError: no such split, no such file, a file is not what the card says, or a question or its answer is
                empty.
        """
        card.check_split(split)
        self.card = card
        self.split = split
        self.folder = self.find_folder()
        self._images = self.image_folder()
        self._questions: list[Question] = []
        ids = UniqueIds()
        metas: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
        for where, question in self.read():
            ids.add(question.id, where)
            if not question.text.strip():
                raise UsageError(f"{where}: the question is empty")
            _check_answer(question.answer, where)
            # There are few different ones: sharing them saves hundreds of bytes a question.
            meta = metas.setdefault(tuple(question.meta.items()), question.meta)
            self._questions.append(question._replace(meta=meta))
        card.check_count(split, len(self._questions))

    @abstractmethod
    def read(self) -> Iterator[tuple[str, Question]]:
        """The questions of the split, each with where it stands ("FILE: entry 7").

        Raises:
            UsageError: a file is missing or damaged.
        """

    def __len__(self) -> int:
        return len(self._questions)

    def __getitem__(self, index: int, /) -> Sample:
        question = self._questions[index]
        return Sample(
            id=question.id,
            inputs={"image": self._images / question.image, "text": question.text},
            target=question.answer,
            group=question.group,
            meta=question.meta,
        )

    def find_folder(self) -> Path:
        """The folder of the data set."""
        return data_folder(self.card)

    def image_folder(self) -> Path:
        """The first folder of the card's option `images` that is there, else the first; by default the data set's.

        One that is missing fails when an image is decoded, so that what reads no image can run without.
        """
        paths = self._paths("images") or [self.folder]
        return next((path for path in paths if path.is_dir()), paths[0])

    def file(self, option: str) -> Path:
        """The first file of one of the card's options that is there; see `files`."""
        return self.files(option)[0]

    def files(self, *options: str) -> list[Path]:
        """For each of these options of the card the first file that is there.

        Raises:
            UsageError: for some there is none; names them all, and says how to get them.
        """
        paths = [self._paths(option) for option in options]
        found = [next((path for path in some if path.is_file()), None) for some in paths]
        there = [path for path in found if path is not None]
        if len(there) < len(options):
            missing = [some for some, path in zip(paths, found, strict=True) if path is None]
            names = " and no ".join(
                " or ".join(p.relative_to(self.folder).as_posix() for p in some) for some in missing
            )
            raise UsageError(f"data set {self.card.name!r}: no {names} in {shown(self.folder)}; {self._remedy()}")
        return there

    def _paths(self, option: str) -> list[Path]:
        names = self.card.options.get(option, [])
        listed = [names] if isinstance(names, str) else names
        return [self.folder / name.replace("{split}", self.split) for name in listed]

    def _remedy(self) -> str:
        source = self.card.source
        if self.card.local is None and isinstance(source, PackageSource):
            return f"reinstall {source.requirement}"
        return source.get if isinstance(source, FilesSource) else "give --data the folder that has it"


def check_ten(answers: list[str], where: str) -> None:
    """Refuse what are not the answers of ten people, one of which at least said something; `vqa_accuracy` is of ten.

    Raises:
        UsageError: with how many there are.
    """
    if len(answers) != _PEOPLE:
        raise UsageError(f"{where}: field 'answers': expected {_PEOPLE}, found {len(answers)}")
    _check_answer(answers, where)


def _check_answer(answer: str | list[str], where: str) -> None:
    """Of several people some may have said nothing; where all did, there is nothing to score."""
    if not any(map(str.strip, [answer] if isinstance(answer, str) else answer)):
        raise UsageError(f"{where}: the answer is empty")
