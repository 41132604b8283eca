"""Which records a leaderboard shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mmbench.errors import UsageError, unknown_name
from mmbench.record.schema import RunRecord


@dataclass(frozen=True, slots=True)
class Selection:
    """Shell-style patterns (`film*`) by field; a record must match one of each field that has any."""

    task: Sequence[str] = ()
    dataset: Sequence[str] = ()
    split: Sequence[str] = ()
    model: Sequence[str] = ()

    def apply(self, records: Sequence[RunRecord]) -> list[RunRecord]:
        """Keep the records that match, in their order.

        Raises:
            UsageError: a pattern matches none of the records (with the nearest name), or none matches all fields.
        """
        chosen = list(records)
        for kind, patterns in self._patterns().items():
            names = [_fields(record)[kind] for record in records]
            for pattern in patterns:
                if not any(fnmatchcase(name, pattern) for name in names):
                    raise unknown_name(f"{kind} in these records:", pattern, set(names))
            chosen = [r for r in chosen if not patterns or any(fnmatchcase(_fields(r)[kind], p) for p in patterns)]
        if records and not chosen:
            wanted = ", ".join(f"{kind} {' or '.join(map(repr, p))}" for kind, p in self._patterns().items() if p)
            raise UsageError(f"no record has all of: {wanted}")
        return chosen

    def _patterns(self) -> dict[str, Sequence[str]]:
        return {"task": self.task, "dataset": self.dataset, "split": self.split, "model": self.model}


def _fields(record: RunRecord) -> dict[str, str]:
    return {
        "task": record.task,
        "dataset": record.dataset.name,
        "split": record.dataset.split,
        "model": record.model.name,
    }
