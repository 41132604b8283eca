"""Equal parameters: the width at which a model has as many as asked."""

from collections.abc import Callable

import torch
from torch import nn

from mmbench.errors import UsageError

TOLERANCE = 0.05
"""How far from the asked number a model may be, as a share of it."""

_NEAR = 4  # widths on both sides that are looked at: the number need not grow from each width to the next


def solve_width(build: Callable[[int], nn.Module], parameters: int) -> int:
    """The width at which `build(width)` comes nearest to a number of parameters, which grows with the width.

    The caller's random state is left as it was.

    Raises:
        UsageError: no width comes within 5 %; says which numbers are nearest.
    """
    counts: dict[int, int] = {}

    def count(width: int) -> int:
        if width not in counts:
            counts[width] = count_parameters(build(width))
        return counts[width]

    with torch.random.fork_rng(devices=[]):
        most = 1
        while count(most) < parameters and most < parameters:  # no layer of W inputs has fewer than W parameters
            most *= 2
        least = most // 2
        while most - least > 1:
            middle = (least + most) // 2
            least, most = (middle, most) if count(middle) < parameters else (least, middle)
        best = min(range(max(1, most - _NEAR), most + _NEAR + 1), key=lambda width: abs(count(width) - parameters))
    if abs(count(best) - parameters) > TOLERANCE * parameters:
        below = [n for n in counts.values() if n <= parameters]
        above = [n for n in counts.values() if n >= parameters]
        if not below:
            raise UsageError(f"{parameters:,} parameters are too few: the narrowest model has {min(above):,}")
        near = [max(below), *sorted(above)[:1]]
        raise UsageError(
            f"no width gives {parameters:,} parameters within {TOLERANCE:.0%}; the nearest: "
            + " and ".join(f"{number:,}" for number in near)
        )
    return best


def count_parameters(module: nn.Module) -> int:
    """How many numbers a module learns, or would if none of it were frozen."""
    return sum(parameter.numel() for parameter in module.parameters())
