"""Measured numbers as people read them, with the unit's prefix that fits."""

from mmbench.leaderboard.cells import MISSING

_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


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
