"""Targets that a classifier cannot give, since no sample that it learned from had them."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from mmbench.model import Classifies

_SHOWN = 3
_LENGTH = 40  # characters of a target


def unknown_targets(targets: Iterable[Any], model: object) -> str | None:
    """What to tell the user of targets that are none of the model's labels; `None` where there are none.

    A target is one text, or a list of those that are right. A model without labels can give any.
    """
    if not isinstance(model, Classifies):
        return None
    known = set(model.labels)
    unknown: Counter[str] = Counter()
    total = 0
    for target in targets:
        total += 1
        right = [str(each) for each in (target if isinstance(target, list | tuple) else [target])]
        if right and known.isdisjoint(right):
            unknown[right[0]] += 1
    if not unknown:
        return None
    names = [repr(name[:_LENGTH]) for name, _ in unknown.most_common(_SHOWN)]
    more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
    return (
        f"{unknown.total()} of {total} samples have a target that is none of the model's labels: "
        f"{', '.join(names)}{more}; none is left out: they count as wrong wherever a metric asks for the exact text"
    )
