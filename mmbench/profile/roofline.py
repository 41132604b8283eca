"""How far from the machine's limits each stage is: the roofline model (Williams, Waterman and Patterson 2009).

A stage that does few operations a byte cannot be faster than memory lets it, whatever the processor does:
`attainable = min(peak, intensity × bandwidth)`.
"""

from collections.abc import Mapping

from mmbench.profile.results import FlopsPass, Peak, Roofline, RooflinePoint

WHOLE = "whole"
"""The point of the model as a whole."""


def roofline(flops: FlopsPass, seconds: Mapping[str, float], peak: Peak, *, whole_s: float | None = None) -> Roofline:
    """Place each stage that has work and time, then the whole.

    Work that the FLOPs pass could not count is missing here too: with operators in `flops.not_counted` the rate is the
    least that it can be. A share above one is possible: what a cache keeps does not go through memory.

    Args:
        flops: work and traffic of one batch.
        seconds: by stage, of one such batch, each without the stages within it.
        peak: of this machine, with the number format of the run.
        whole_s: of one batch as a whole, where measured apart; by default the sum over stages.

    Raises:
        ValueError: the peak is zero.
    """
    if peak.flops_per_s <= 0 or peak.bytes_per_s <= 0:
        raise ValueError("the peak of a machine is above zero")
    whole = sum(seconds.values()) if whole_s is None else whole_s
    rows = [(stage.name, stage.flops, stage.bytes, seconds.get(stage.name, 0.0)) for stage in flops.stages]
    rows.append((WHOLE, flops.flops, flops.bytes, whole))
    return Roofline(peak=peak, points=[_point(*row, peak) for row in rows if min(row[1:]) > 0])


def _point(name: str, flops: int, moved: int, seconds: float, peak: Peak) -> RooflinePoint:
    intensity = flops / moved
    under_slope = intensity * peak.bytes_per_s
    attainable = min(peak.flops_per_s, under_slope)
    return RooflinePoint(
        name=name,
        intensity=intensity,
        flops_per_s=flops / seconds,
        attainable_flops_per_s=attainable,
        share=flops / seconds / attainable,
        bound="memory" if under_slope < peak.flops_per_s else "compute",
    )
