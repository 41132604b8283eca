import math
from collections.abc import Callable

import pytest

from mmbench.profile.steady import WINDOW, is_steady, warm_up


class _Machine:
    """Calls that take as long as told, by a clock of its own."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        self.time = 0.0
        self.calls = 0
        self.waits = 0
        self._seconds = seconds
        self._pending = 0.0

    def call(self) -> None:
        self._pending += self._seconds(self.calls)  # queued; done once waited for
        self.calls += 1

    def wait(self) -> None:
        self.time += self._pending
        self._pending = 0.0
        self.waits += 1

    def now(self) -> float:
        return self.time


def _warm(machine: _Machine, least_s: float, most_s: float):
    return warm_up(machine.call, wait=machine.wait, least_s=least_s, most_s=most_s, now=machine.now)


def test_the_first_call_stands_apart() -> None:
    found = _warm(_Machine(lambda call: 7.0 if call == 0 else 0.01), 0.5, 10.0)
    assert found.first_s == 7.0
    assert found.seconds == pytest.approx(0.01 * found.iterations)


def test_it_lasts_the_least_time_though_timings_are_steady_before() -> None:
    found = _warm(_Machine(lambda _: 0.01), 1.0, 10.0)
    assert found.steady
    assert 1.0 <= found.seconds <= 1.02


def test_it_goes_on_until_timings_settle() -> None:
    machine = _Machine(lambda call: 0.01 * (1 + 5 * math.exp(-call / 30)))
    found = _warm(machine, 0.1, 100.0)
    assert found.steady
    assert machine.waits == machine.calls
    # What is left of the slow start is within the rule: 5 % over half a window.
    assert math.exp(-(machine.calls - WINDOW) / 30) * 5 < 0.3


def test_what_never_settles_ends_at_the_cap_and_says_so() -> None:
    found = _warm(_Machine(lambda call: 0.01 * 1.02**call), 0.1, 3.0)
    assert not found.steady
    assert 3.0 <= found.first_s + found.seconds < 3.2


@pytest.mark.parametrize(("least_s", "most_s"), [(0.0, 0.0), (0.1, 0.5), (1.0, 0.25)])
def test_where_the_first_call_takes_all_the_time_it_stays_alone(least_s: float, most_s: float) -> None:
    machine = _Machine(lambda _: 0.5)
    found = _warm(machine, least_s, most_s)
    assert (found.iterations, found.seconds, found.steady) == (0, 0.0, False)
    assert (machine.calls, found.first_s) == (1, 0.5)


def test_the_first_call_counts_towards_the_cap() -> None:
    machine = _Machine(lambda _: 1.0)
    assert _warm(machine, 0.5, 3.0).iterations == 2
    assert machine.time == 3.0


@pytest.mark.parametrize(
    ("first", "second", "steady"),
    [
        ([1.0] * 10, [1.04] * 10, True),
        ([1.0] * 10, [1.06] * 10, False),  # both quartiles
        ([1.0] * 10, [0.94] * 10, False),
        ([1.0] * 10, [1.0] * 7 + [1.2] * 3, False),  # the third quartile alone
        ([1.0] * 10, [0.8] * 3 + [1.0] * 7, False),  # the first alone
        ([1.0] * 10, [1.0] * 8 + [9.0] * 2, True),  # an outlier or two are the machine's
    ],
)
def test_two_halves_of_the_window_are_compared(first: list[float], second: list[float], steady: bool) -> None:
    assert is_steady(first + second) is steady
    assert is_steady([100.0] * 50 + first + second) is steady  # what was before is over


def test_a_spread_that_grows_between_the_same_quartiles_is_not_steady() -> None:
    calm = [0.8, 0.8, 0.8, 1.0, 1.0, 1.0, 1.0, 1.2, 1.2, 1.2]
    torn = [0.8, 0.8, 0.8, 0.8, 0.8, 1.2, 1.2, 1.2, 1.2, 1.2]
    assert is_steady(calm + calm)
    assert not is_steady(calm + torn)


def test_fewer_than_a_window_are_never_steady() -> None:
    assert not is_steady([1.0] * (WINDOW - 1))
