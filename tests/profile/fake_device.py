"""A device that works through a queue in virtual time, and refuses what a real one answers with nonsense."""

from mmbench.profile.clock import EventClock, HostClock


class WrongOrderError(AssertionError):
    """An event was asked for what it cannot know yet, or for what it no longer knows."""


class FakeDevice:
    """Virtual time of a host that queues work, and of the device that does it.

    Attributes:
        now: the host's time, in seconds.
        idle_from: when the device will have done all that is queued.
        waits: how often the host waited.
        made: how many events there are.
        stream: of its queue; events are recorded on no other.
    """

    def __init__(self, monkeypatch, record_s=0.0):
        self.now = 0.0
        self.idle_from = 0.0
        self.waits = 0
        self.made = 0
        self.stream = object()
        self._record_s = record_s
        monkeypatch.setattr("mmbench.profile.clock.perf_counter", lambda: self.now)

    def clock(self):
        """For work that is queued by `run`."""
        return EventClock(self.make_event, lambda event: event.record(self.stream), self.synchronize)

    def host_clock(self):
        """For work that the host does itself, by `busy`."""
        return HostClock()

    def busy(self, seconds):
        """The host works."""
        self.now += seconds

    def run(self, seconds, host_s=0.0):
        """The host takes `host_s` to queue work that the device does in `seconds`."""
        self.now += host_s
        self.idle_from = max(self.now, self.idle_from) + seconds

    def make_event(self):
        self.made += 1
        return FakeEvent(self)

    def synchronize(self):
        self.waits += 1
        self.now = max(self.now, self.idle_from)

    def pass_event(self):
        """An event is queued: when the device gets there."""
        self.now += self._record_s
        self.idle_from = max(self.now, self.idle_from)
        return self.idle_from


class FakeEvent:
    def __init__(self, device):
        self._device = device
        self._passed = None
        self._recorded_after = None

    def record(self, stream=None):
        if stream is not self._device.stream:
            raise WrongOrderError("recorded on a stream of another device")
        if self._recorded_after == self._device.waits:
            raise WrongOrderError("recorded again before the device was waited for, so that the first time is lost")
        self._passed = self._device.pass_event()
        self._recorded_after = self._device.waits

    def elapsed_time(self, end):
        for event in (self, end):
            if event._passed is None:
                raise WrongOrderError("elapsed_time of an event that was never recorded")
            if event._recorded_after == self._device.waits:
                raise WrongOrderError("elapsed_time before the device was waited for")
        if end._passed < self._passed:
            raise WrongOrderError("elapsed_time from the later event to the earlier one")
        return 1000 * (end._passed - self._passed)
