"""Self times of stages, in virtual time."""

import pytest

from mmbench.profile.stage import observed, stage
from mmbench.profile.stage_times import SelfTime, StageTimes, record_stages, settling, whole

from .fake_device import FakeDevice


@pytest.fixture
def device(monkeypatch):
    return FakeDevice(monkeypatch)


def test_self_time_leaves_out_the_stages_within(device):
    with record_stages(device.host_clock()) as times, stage("outer"):
        device.busy(1.0)
        with stage("middle"):
            device.busy(2.0)
            with stage("inner"):
                device.busy(4.0)
        device.busy(8.0)
        with stage("inner"):
            device.busy(16.0)
    assert times.self_times == {
        "outer": SelfTime(9.0, 9.0, 1),
        "middle": SelfTime(2.0, 2.0, 1),
        "inner": SelfTime(20.0, 20.0, 2),
    }
    assert times.seconds == {"outer": [31.0], "middle": [6.0], "inner": [4.0, 16.0]}


def test_stage_within_itself_counts_its_time_once(device):
    with record_stages(device.host_clock()) as times, stage("block"):
        device.busy(1.0)
        with stage("block"):
            device.busy(2.0)
    assert times.self_times == {"block": SelfTime(3.0, 3.0, 2)}


def test_what_lies_in_no_stage_is_other(device):
    times = StageTimes(device.host_clock())
    with observed(times), whole(times):
        device.busy(1.0)
        with stage("encode"):
            device.busy(2.0)
        device.busy(4.0)
    assert times.self_times == {"other": SelfTime(5.0, 5.0, 1), "encode": SelfTime(2.0, 2.0, 1)}


def test_without_being_told_of_stages_the_whole_is_one(device):
    times = StageTimes(device.host_clock())
    with whole(times), stage("encode"):
        device.busy(2.0)
    assert times.self_times == {"other": SelfTime(2.0, 2.0, 1)}


def test_device_and_host_times_stand_side_by_side(device):
    clock = device.clock()
    device.run(10.0)  # so that the device is behind throughout
    times = StageTimes(clock)
    with settling(clock), observed(times), whole(times):
        with stage("encode"):
            device.run(3.0, host_s=0.5)
        with stage("fuse"):
            device.run(1.0, host_s=0.25)
            with stage("pool"):
                device.run(2.0, host_s=0.125)
    assert times.self_times == {
        "other": SelfTime(0.0, 0.0, 1),
        "encode": SelfTime(3.0, 0.5, 1),
        "fuse": SelfTime(1.0, 0.25, 1),
        "pool": SelfTime(2.0, 0.125, 1),
    }
    assert device.waits == 1


def test_a_reading_a_little_off_gives_no_negative_time(device):
    class Coarse(type(device.host_clock())):
        def seconds(self, start, end):
            return round(super().seconds(start, end))

    with record_stages(Coarse()) as times, stage("outer"):
        for _ in range(2):
            with stage("inner"):
                device.busy(0.7)
    assert times.seconds == {"outer": [1], "inner": [1, 1]}
    assert times.self_times["outer"].seconds == 0.0


def test_stages_that_fail_are_whole(device):
    times = StageTimes(device.clock())

    def fail():
        with settling(times.clock), observed(times), whole(times), stage("outer"), stage("broken"):
            device.run(1.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert device.waits == 1
    assert times.self_times["broken"].seconds == 1.0
    assert sum(time.seconds for time in times.self_times.values()) == 1.0
