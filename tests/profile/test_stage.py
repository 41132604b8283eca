"""Stage marks: recorded within a pass, free outside."""

import pytest

from mmbench.profile.clock import HostClock
from mmbench.profile.stage import observed, stage
from mmbench.profile.stage_times import StageTimes, record_stages


def test_stages_are_recorded_in_order_of_appearance():
    with record_stages() as times:
        for _ in range(3):
            with stage("first"):
                pass
            with stage("second"):
                pass
    assert list(times.seconds) == ["first", "second"]
    assert [len(seconds) for seconds in times.seconds.values()] == [3, 3]
    assert all(second >= 0 for seconds in times.seconds.values() for second in seconds)


def test_nested_stage_counts_in_both():
    with record_stages() as times, stage("outer"), stage("inner"):
        pass
    assert set(times.seconds) == {"outer", "inner"}
    assert times.seconds["outer"][0] >= times.seconds["inner"][0]


def test_nothing_is_recorded_outside():
    with stage("before"):
        pass
    with record_stages() as times:
        pass
    with stage("after"):
        pass
    assert times.seconds == {}
    assert stage("one") is stage("another")


def test_inner_recording_has_its_own_and_gives_back():
    with record_stages() as outer:
        with record_stages() as inner, stage("inner"):
            pass
        with stage("outer"):
            pass
    assert (list(outer.seconds), list(inner.seconds)) == (["outer"], ["inner"])


def test_inner_observer_is_left_first_though_both_look_the_same():
    clock = HostClock()
    outer, inner = StageTimes(clock), StageTimes(clock)
    with observed(outer):
        with observed(inner):
            pass
        with stage("outer"):
            pass
    assert (list(outer.seconds), list(inner.seconds)) == (["outer"], [])
    assert outer != StageTimes(clock, outer.spans)


def test_the_same_observer_within_itself_is_left_once_a_context():
    times = StageTimes()
    with observed(times):
        with observed(times), stage("inner"):
            pass
        with stage("outer"):
            pass
    with stage("after"):
        pass
    assert list(times.seconds) == ["inner", "outer"]


def test_stage_that_fails_is_recorded_and_recording_ends():
    with pytest.raises(ZeroDivisionError), record_stages() as times, stage("broken"):
        raise ZeroDivisionError
    with stage("after"):
        pass
    assert list(times.seconds) == ["broken"]
