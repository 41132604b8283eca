"""Measured numbers as people read them: three digits that matter, with their unit."""

from collections.abc import Callable

from mmbench.leaderboard.cells import size
from mmbench.leaderboard.units import digits, si
from mmbench.profile.results import Estimate

_EIGHTHS = " ▏▎▍▌▋▊▉"


def memory(count: int | None) -> str:
    """Format bytes in decimal units, as the leaderboard does, and small ones too: 512 B, 425 kB, 312.4 MB."""
    if count is None or count >= 1_000_000:
        return size(count)
    return f"{count} B" if count < 1000 else si(count, "B")


def percent(share: float) -> str:
    """Format a share: 95 %; below one per cent with a digit after the point."""
    return f"{100 * share:.0f} %" if share >= 0.00995 or share == 0 else f"{100 * share:.1f} %"


def spread(estimate: Estimate, form: Callable[[float], str] = digits, unit: str = "") -> str:
    """Format a value with its interval, where it has one: 1,280 samples/s (95 %: 1,275 – 1,285)."""
    value = f"{form(estimate.value)} {unit}".rstrip()
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({100 * estimate.level:g} %: {form(estimate.low)} – {form(estimate.high)})"


def plural(count: int, noun: str) -> str:
    """Format a count of things: 1 query, 3 queries."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("ry") else f"{count:,} {noun}s"


def bar(share: float, width: int, ascii_only: bool = False) -> str:
    """A bar of `share` (0 to 1) of `width` characters, to an eighth of one where the terminal can."""
    share = min(max(share, 0.0), 1.0)
    if ascii_only:
        return "#" * round(share * width)
    whole, eighths = divmod(round(share * width * 8), 8)
    return "█" * whole + (_EIGHTHS[eighths] if eighths else "")
