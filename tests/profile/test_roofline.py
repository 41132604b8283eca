"""Roofline points by hand."""

import pytest

from mmbench.profile.results import FlopsPass, Peak, StageFlops
from mmbench.profile.roofline import roofline

PEAK = Peak(flops_per_s=100.0, bytes_per_s=10.0, dtype="float32", threads=1)


def made(**stages: tuple[int, int]) -> FlopsPass:
    return FlopsPass(
        batch_size=1,
        flops=sum(flops for flops, _ in stages.values()),
        flops_per_sample=1.0,
        bytes=sum(moved for _, moved in stages.values()),
        stages=[StageFlops(name=name, flops=flops, bytes=moved) for name, (flops, moved) in stages.items()],
        not_counted={},
    )


def test_points_against_slope_and_roof():
    found = roofline(made(slope=(200, 100), roof=(2000, 20)), {"slope": 40.0, "roof": 25.0}, PEAK)
    slope, roof, whole = found.points
    assert found.peak == PEAK
    assert (slope.intensity, slope.flops_per_s, slope.attainable_flops_per_s) == (2.0, 5.0, 20.0)
    assert (slope.share, slope.bound) == (0.25, "memory")
    assert (roof.intensity, roof.flops_per_s, roof.attainable_flops_per_s) == (100.0, 80.0, 100.0)
    assert (roof.share, roof.bound) == (0.8, "compute")
    assert whole.name == "whole"
    assert whole.intensity == 2200 / 120
    assert whole.flops_per_s == 2200 / 65
    assert whole.share == pytest.approx(2200 / 65 / 100)


def test_ridge_is_bound_by_compute():
    point = roofline(made(ridge=(100, 10)), {"ridge": 1.0}, PEAK).points[0]
    assert (point.attainable_flops_per_s, point.share, point.bound) == (100.0, 1.0, "compute")


def test_stage_without_work_or_time_has_no_point_but_its_time_is_in_the_whole():
    flops = made(work=(100, 10), pointwise=(0, 50), untimed=(100, 10))
    points = roofline(flops, {"work": 1.0, "pointwise": 3.0, "untimed": 0.0, "elsewhere": 1.0}, PEAK).points
    assert [point.name for point in points] == ["work", "whole"]
    assert points[-1].flops_per_s == 200 / 5


def test_time_of_the_whole_may_be_measured_apart():
    points = roofline(made(work=(100, 10)), {"work": 1.0}, PEAK, whole_s=4.0).points
    assert [(point.name, point.flops_per_s) for point in points] == [("work", 100.0), ("whole", 25.0)]


def test_nothing_counted_gives_no_points():
    assert roofline(made(other=(0, 10)), {"other": 1.0}, PEAK).points == []


def test_machine_that_does_nothing_is_refused():
    with pytest.raises(ValueError, match="above zero"):
        roofline(made(work=(1, 1)), {"work": 1.0}, PEAK.model_copy(update={"bytes_per_s": 0.0}))
