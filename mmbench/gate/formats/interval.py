"""The interval of head's value, for formats that know values alone and no changes."""

from mmbench.gate.words import relative
from mmbench.record.gate import Finding


def head_interval(finding: Finding) -> tuple[float, float] | None:
    """Where head's value lies, base's taken as it is: moved to where the interval of the change ends.

    Returns:
        Low and high, in the metric's unit; `None` where the change is exact or not known.
    """
    change, head = finding.change, finding.head
    if change is None or change.level is None or head is None:
        return None
    bounds = change.low, change.high
    if not relative(finding):
        sign = -1 if finding.higher_is_better else 1
        ends = [head + sign * (bound - change.value) for bound in bounds]
    elif 1 + change.low <= 0:  # a cost of nothing has no inverse
        return None
    else:
        ratios = [(1 + bound) / (1 + change.value) for bound in bounds]
        ends = [head / ratio if finding.higher_is_better else head * ratio for ratio in ratios]
    return min(ends), max(ends)
