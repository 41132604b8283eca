"""Clocks: the host's, and that of a device with a queue, held to the order of record, synchronise and elapsed."""

from itertools import pairwise

import pytest
import torch

from mmbench.profile.clock import EventClock, HostClock, make_clock

from .fake_device import FakeDevice, WrongOrderError


@pytest.fixture
def device(monkeypatch):
    return FakeDevice(monkeypatch)


def test_host_clock_reads_the_time_between(device):
    clock = device.host_clock()
    start = clock.mark()
    device.busy(0.25)
    end = clock.mark()
    clock.settle()
    assert clock.seconds(start, end) == 0.25
    assert device.waits == 0


def test_device_time_is_that_of_the_queue_and_host_time_that_of_queueing(device):
    clock = device.clock()
    marks = [clock.mark()]
    for _ in range(3):
        device.run(2.0, host_s=0.5)
        marks.append(clock.mark())
    clock.settle()
    seconds = [clock.seconds(start, end) for start, end in pairwise(marks)]
    assert seconds == [2.5, 2.0, 2.0]  # the first waited for the host, then there was always something queued
    assert [mark.host_s for mark in marks] == [0.0, 0.5, 1.0, 1.5]
    assert device.now == 6.5


def test_where_the_host_is_slower_its_time_is_part_of_the_devices(device):
    clock = device.clock()
    device.run(0.25, host_s=1.0)
    start = clock.mark()
    device.run(0.25, host_s=1.0)
    end = clock.mark()
    clock.settle()
    assert clock.seconds(start, end) == 1.0


def test_marks_are_read_after_settling_only(device):
    clock = device.clock()
    start, end = clock.mark(), clock.mark()
    with pytest.raises(WrongOrderError, match="before the device was waited for"):
        clock.seconds(start, end)
    clock.settle()
    assert clock.seconds(start, end) == 0.0
    later = clock.mark()
    with pytest.raises(WrongOrderError, match="before the device was waited for"):
        clock.seconds(start, later)


def test_fake_device_fails_on_other_wrong_orders(device, monkeypatch):
    event, other = device.make_event(), device.make_event()
    event.record(device.stream)
    device.run(1.0)
    with pytest.raises(WrongOrderError, match="first time is lost"):
        event.record(device.stream)
    device.synchronize()
    with pytest.raises(WrongOrderError, match="never recorded"):
        event.elapsed_time(other)
    other.record(device.stream)
    device.synchronize()
    with pytest.raises(WrongOrderError, match="later event to the earlier"):
        other.elapsed_time(event)
    assert event.elapsed_time(other) == 1000.0
    for stream in ((), (FakeDevice(monkeypatch).stream,)):
        with pytest.raises(WrongOrderError, match="of another device"):
            event.record(*stream)


def test_marking_does_not_wait(device):
    clock = device.clock()
    device.run(5.0)
    clock.mark()
    assert (device.now, device.waits) == (0.0, 0)
    clock.settle()
    assert (device.now, device.waits) == (5.0, 1)


def test_events_are_used_again(device):
    clock = device.clock()
    for _ in range(4):
        start = clock.mark()
        device.run(1.0)
        end = clock.mark()
        clock.settle()
        assert clock.seconds(start, end) == 1.0
        clock.release()
    assert device.made == 2


def test_events_in_use_are_not_given_out_again(device):
    clock = device.clock()
    marks = [clock.mark() for _ in range(5)]
    assert len({id(mark.event) for mark in marks}) == 5


def test_each_device_has_its_clock():
    assert isinstance(make_clock(torch.device("cpu")), HostClock)
    assert isinstance(make_clock(torch.device("cuda:0")), EventClock)


def test_marks_are_those_of_the_clocks_own_device_whichever_is_current(monkeypatch):
    first, second = FakeDevice(monkeypatch), FakeDevice(monkeypatch)
    devices = {None: first, torch.device("cuda:0"): first, torch.device("cuda:1"): second}
    monkeypatch.setattr("torch.Event", lambda device, enable_timing: devices[device].make_event())
    monkeypatch.setattr("torch.accelerator.current_stream", lambda device=None: devices[device].stream)
    monkeypatch.setattr("torch.accelerator.synchronize", lambda device=None: devices[device].synchronize())
    clock = make_clock(torch.device("cuda:1"))
    start = clock.mark()
    first.run(8.0)
    second.run(2.0)
    end = clock.mark()
    clock.settle()
    assert clock.seconds(start, end) == 2.0
    assert (first.made, first.waits) == (0, 0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_clock_sees_queued_work():
    device = torch.device("cuda:0")
    clock = make_clock(device)
    x = torch.ones(4096, 4096, device=device)
    x @ x  # loads the kernel
    marks = [clock.mark()]
    for count in (1, 20):
        for _ in range(count):
            x @ x
        marks.append(clock.mark())
    queued = marks[-1].host_s - marks[0].host_s
    clock.settle()
    one, twenty = (clock.seconds(start, end) for start, end in pairwise(marks))
    assert 0 < one < twenty
    assert queued < one + twenty
    clock.release()


@pytest.mark.cuda
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_cuda_clock_of_the_second_device_sees_its_work():
    device = torch.device("cuda:1")
    clock = make_clock(device)
    x = torch.ones(4096, 4096, device=device)
    x @ x  # loads the kernel
    start = clock.mark()
    for _ in range(20):
        x @ x
    end = clock.mark()
    clock.settle()
    assert clock.seconds(start, end) > end.host_s - start.host_s
    clock.release()
