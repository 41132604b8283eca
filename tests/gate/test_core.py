"""Processes on one core, as the operating system tells."""

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from mmbench.gate.core import on_one_core

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="there is no core to choose"
)


@pytest.fixture
def processes():
    """Two that wait."""
    with ExitStack() as stack:
        found = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2)]
        for process in found:
            stack.enter_context(process)
            stack.callback(process.kill)
        yield found


def cores(processes):
    return [os.sched_getaffinity(process.pid) for process in processes]


def test_they_share_a_core_and_are_free_again(processes):
    own = os.sched_getaffinity(0)
    with on_one_core([process.pid for process in processes]):
        assert cores(processes) == [{max(own)}] * 2
        assert os.sched_getaffinity(0) == own
    assert cores(processes) == [own] * 2


def test_what_has_chosen_its_cores_itself_keeps_them(processes):
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(processes[0].pid, {min(own)})
    with on_one_core([process.pid for process in processes]):
        assert cores(processes) == [{min(own)}, own]
    assert cores(processes) == [{min(own)}, own]


def test_what_has_ended_is_no_failure(processes):
    with on_one_core([process.pid for process in processes]):
        processes[1].kill()
        processes[1].wait()
    with on_one_core([process.pid for process in processes]):
        assert cores(processes[:1]) == [os.sched_getaffinity(0)]
