"""What both sides of a gate run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from mmbench.errors import UsageError

Parts = dict[str, float]
"""Seconds of one iteration, by part of the work: what a worker answers to a chunk."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A model on a task's data, in words that both sides understand.

    Paths of files are relative to the working directory of the side, or absolute.

    Attributes:
        model, task, dataset, split: names; data set and split are the default ones if `None`.
        data: where the files of the data set are, if not where its card says.
        weights: a weights file; what was trained there, else shipped, if `None`.
        plugins: Python files that register more.
        limit: only the first samples of the split.
        batch_size: samples at a time.
        threads: of PyTorch on the CPU.
        settings: `OPTION=VALUE` for the adapter of a model from elsewhere.
    """

    model: str
    task: str
    dataset: str | None = None
    split: str | None = None
    data: str | None = None
    weights: str | None = None
    plugins: tuple[str, ...] = ()
    limit: int | None = None
    batch_size: int = 64
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    seed: int = 0
    settings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; without settings where there are none, so that an mmbench that has none understands it."""
        return {name: value for name, value in asdict(self).items() if value or name != "settings"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Workload":
        """Inverse of `to_json`.

        Raises:
            UsageError: it has something that this version of mmbench does not know.
        """
        unknown = sorted(set(data) - {field.name for field in fields(cls)})
        if unknown:
            raise UsageError(f"this mmbench does not know {unknown[0]!r} of a workload: the other side's is newer")
        return cls(**{**data, **{name: tuple(data.get(name, ())) for name in ("plugins", "settings")}})
