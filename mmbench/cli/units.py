"""Measured numbers as people read them: three digits that matter, with their unit."""

from collections.abc import Callable

from mmbench.leaderboard.cells import MISSING, size
from mmbench.profile.results import Estimate

_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_EIGHTHS = " ▏▎▍▌▋▊▉"


def digits(value: float) -> str:
    """Format a number of no unit's own size: 4.00, 12.3, 1,280."""
    places = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:,.{places}f}"


def si(value: float, unit: str = "") -> str:
    """Format with the prefix that fits: 64.0 M, 50.0 GFLOP/s, 10.0 mJ."""
    if value == 0:
        return f"0 {unit}".rstrip()
    scale, prefix = next((each for each in (*_PREFIXES, *_SMALL) if abs(value) >= each[0] * 0.9995), _SMALL[-1])
    return f"{digits(value / scale)} {prefix}{unit}".rstrip()


def duration(seconds: float | None) -> str:
    """Format seconds: 85.0 µs, 4.00 ms, 1.10 s, 1,234 s."""
    if seconds is None:
        return MISSING
    return si(seconds, "s") if seconds < 1000 else f"{seconds:,.0f} s"


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
