"""High-water marks: of the kernel, by samples, of the whole life; and which one a platform gets."""

import threading
from pathlib import Path

import pytest

from mmbench.profile.high_water import KernelHighWater, LifetimeHighWater, SampledHighWater, host_high_water


class Resident:
    """Memory that a test sets; tells when a look at it is over."""

    def __init__(self):
        self.now = 100
        self.seen = threading.Event()

    def __call__(self):
        now = self.now
        if threading.current_thread() is not threading.main_thread() and now == 500:
            self.seen.set()
        return now


def test_samples_see_a_peak_that_is_over():
    resident = Resident()
    mark = SampledHighWater(resident, "test")
    try:
        assert mark.reset() == 100
        resident.now = 500
        assert resident.seen.wait(60)
        resident.seen.clear()
        assert resident.seen.wait(60)  # the look before this one has been noted
        resident.now = 200
        assert mark.peak() == 500
    finally:
        mark.close()
    assert mark.reset() == 200
    assert mark.peak() == 200
    resident.now = 300
    assert mark.peak() == 300


def test_no_thread_stays():
    before = threading.active_count()
    SampledHighWater(lambda: 1, "test").close()
    assert threading.active_count() == before


def process(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_kernel_mark_where_it_can_be_reset(tmp_path):
    root = process(tmp_path, clear_refs="", status="Name:\tx\nVmHWM:\t     2048 kB\nVmRSS:\t 1024 kB\n")
    with host_high_water(root) as mark:
        assert isinstance(mark, KernelHighWater)
        assert (root / "clear_refs").read_text() == "5"
        assert mark.peak() == 2048 * 1024


def test_samples_where_the_kernel_resets_nothing(tmp_path):
    (tmp_path / "clear_refs").mkdir()  # cannot be written
    root = process(tmp_path, statm="900 25 3 0 0 0 0")
    with host_high_water(root) as mark:
        assert isinstance(mark, SampledHighWater)
        assert mark.reset() % 25 == 0
        assert mark.reset() > 0
        assert "statm sampled every 2 ms" in mark.method


def test_whole_life_where_nothing_tells(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)
    with host_high_water(tmp_path / "absent") as mark:
        assert isinstance(mark, LifetimeHighWater)
        assert mark.method == "ru_maxrss of the main process, not reset"
        assert mark.peak() > 10 * 2**20


def test_samples_by_psutil_without_proc(tmp_path):
    pytest.importorskip("psutil")
    with host_high_water(tmp_path / "absent") as mark:
        assert "psutil rss sampled" in mark.method
        assert mark.reset() > 10 * 2**20
