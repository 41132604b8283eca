"""The memory pass: a known amount is reported, whole and by stage, whatever malloc kept from before."""

import ctypes
import random
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import torch

from mmbench.errors import HarnessError
from mmbench.profile.high_water import KernelHighWater
from mmbench.profile.malloc import _glibc, settle_malloc
from mmbench.profile.memory_pass import StagePeaks, device_memory, measure_memory
from mmbench.profile.nvml import NvmlDevice
from mmbench.profile.stage import observed, stage

CPU = torch.device("cpu")
MIB = 2**20


@pytest.fixture
def kernel_mark():
    try:
        KernelHighWater()
    except OSError:
        pytest.skip("this kernel does not let a process reset its high-water mark")


def touched(mebibytes, pieces=1):
    return [torch.ones(mebibytes * MIB // pieces, dtype=torch.uint8) for _ in range(pieces)]


def wear(seed):
    """Take and free blocks of 0.1 to 30 MiB in no order, and keep some small ones between them, as a long life does."""
    random_ = random.Random(seed)  # noqa: S311
    live, kept = [], []
    for _ in range(20):
        live.append(torch.ones(int(random_.uniform(0.1, 30) * MIB), dtype=torch.uint8))
        kept.append(torch.ones(int(random_.uniform(1, 100) * 1024), dtype=torch.uint8))
        if len(live) > 6:
            live.pop(random_.randrange(len(live)))
    return kept


def end_of_arena():
    """Leave free memory at the end of the arena that this thread allocates from."""
    for mebibytes in (31, 30, 15):
        held = [torch.ones(mebibytes * MIB, dtype=torch.uint8) for _ in range(2)]
        del held


def in_thread(function):
    """Call in a thread of its own, which has an arena of its own; what it raises is raised here."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def by(model):
    return lambda batch: model()


@pytest.mark.parametrize(("mebibytes", "pieces"), [(20, 1), (100, 10), (400, 1), (400, 20), (400, 5000)])
@pytest.mark.parametrize("where", ["main thread", "other thread"])
def test_known_amount_in_a_process_that_has_lived_long(kernel_mark, mebibytes, pieces, where):
    def measured():
        kept = wear(mebibytes)
        end_of_arena()
        found = measure_memory(by(lambda: touched(mebibytes, pieces)), None, batch_size=1, device=CPU)
        del kept
        return found

    in_thread(lambda: wear(1))
    found = measured() if where == "main thread" else in_thread(measured)
    assert found.delta_bytes == pytest.approx(mebibytes * MIB, rel=0.05)
    assert found.peak_bytes > found.delta_bytes


def test_memory_that_malloc_trim_leaves(kernel_mark):
    """The free end of the first arena, once something else has moved the program break."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "sbrk"):
        pytest.skip("this platform has no program break")
    libc.sbrk.argtypes, libc.sbrk.restype = [ctypes.c_ssize_t], ctypes.c_void_p
    settle_malloc()  # as after a long life: blocks of up to 32 MiB lie in the arena
    calls = []

    def work(batch):
        held = touched(200, 20)
        calls.append(batch)
        if len(calls) == 1:  # the unwatched one
            libc.sbrk(4096)
        del held

    found = measure_memory(work, None, batch_size=1, device=CPU)
    assert found.delta_bytes == pytest.approx(200 * MIB, rel=0.05)


def test_memory_that_an_earlier_stage_freed_is_new_to_a_later_one(kernel_mark):
    def model():
        with stage("first"):
            touched(40, 4)
        with stage("second"):
            touched(40, 4)

    found = measure_memory(by(model), None, batch_size=1, device=CPU)
    assert [s.name for s in found.stages] == ["first", "second"]
    for s in found.stages:
        assert s.delta_bytes == pytest.approx(40 * MIB, rel=0.05)
    assert found.delta_bytes == pytest.approx(40 * MIB, rel=0.05)


def test_small_blocks_that_an_earlier_stage_freed_are_new_to_a_later_one(kernel_mark):
    def model():
        for name in ("first", "second"):
            with stage(name):
                touched(40, 400)

    found = measure_memory(by(model), None, batch_size=1, device=CPU)
    for s in found.stages:
        assert s.delta_bytes == pytest.approx(40 * MIB, rel=0.05)


BLOCKED_HEAP = """
import ctypes, mmap
import torch
from mmbench.profile.memory_pass import measure_memory
from mmbench.profile.stage import stage

libc = ctypes.CDLL(None)
libc.sbrk.argtypes, libc.sbrk.restype = [ctypes.c_ssize_t], ctypes.c_void_p
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
MAP_FIXED_NOREPLACE = 0x100000
page_after_break = -(-libc.sbrk(0) // mmap.PAGESIZE) * mmap.PAGESIZE
wanted = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
assert libc.mmap(page_after_break, mmap.PAGESIZE, 0, wanted, -1, 0) == page_after_break
libc.mallopt(-2, 64 * 2**20)  # M_TOP_PAD: the arena goes on in one large piece


def model(batch):
    for name in ("first", "second"):
        with stage(name):
            [torch.ones(100 * 1024, dtype=torch.uint8) for _ in range(400)]


for s in measure_memory(model, None, batch_size=1, device=torch.device("cpu")).stages:
    print(s.delta_bytes)
"""


@pytest.mark.skipif(_glibc() is None, reason="another malloc than glibc's")
def test_small_blocks_where_something_lies_in_the_way_of_the_heap(kernel_mark):
    """The heap then goes on elsewhere, and `malloc_trim` never returns its free end."""
    done = subprocess.run([sys.executable, "-c", BLOCKED_HEAP], capture_output=True, text=True, check=True)
    assert [int(line) for line in done.stdout.split()] == [pytest.approx(400 * 100 * 1024, rel=0.05)] * 2


def test_garbage_of_before_hides_nothing(kernel_mark):
    def model():
        import gc

        gc.collect()
        return touched(40)

    class Ring:
        pass

    def batch_with_garbage():
        ring = Ring()
        ring.itself, ring.tensor = ring, torch.ones(30 * MIB, dtype=torch.uint8)

    calls = []

    def work(batch):
        if not calls:
            batch_with_garbage()  # the unwatched call leaves it
        calls.append(1)
        return model() if len(calls) == 2 else None

    assert measure_memory(work, None, batch_size=1, device=CPU).delta_bytes == pytest.approx(40 * MIB, rel=0.05)


def test_what_is_made_in_the_first_call_only_is_not_in_the_delta(kernel_mark):
    cache = []

    def model():
        if not cache:
            cache.append(touched(100))
        return touched(20)

    found = measure_memory(by(model), None, batch_size=3, device=CPU)
    assert found.delta_bytes == pytest.approx(20 * MIB, rel=0.05)
    assert found.batch_size == 3
    assert "VmHWM" in found.method
    assert found.reserved_bytes is None
    assert found.process_bytes is None


def test_failure_of_the_model_comes_through_and_nothing_watches_on():
    calls = []

    def work(batch):
        calls.append(batch)
        with stage("inner"):
            if len(calls) == 2:
                raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        measure_memory(work, None, batch_size=1, device=CPU)
    peaks = StagePeaks(Mark())
    with observed(peaks), stage("after"):
        pass
    assert list(peaks.stages) == ["after"]


class Mark:
    """A high-water mark of memory that a test sets."""

    method = "test"

    def __init__(self):
        self.now = self.most = 0

    def use(self, amount):
        self.now += amount
        self.most = max(self.most, self.now)

    def reset(self):
        self.most = self.now
        return self.now

    def peak(self):
        return self.most


def test_stages_nest_repeat_and_keep_the_largest():
    mark = Mark()
    mark.use(100)
    peaks = StagePeaks(mark)
    with peaks.whole() as whole:
        mark.use(5)
        with stage("outer"):
            mark.use(50)
            mark.use(-50)
            with stage("inner"):
                mark.use(70)
                mark.use(-60)
            with stage("inner"):
                mark.use(20)
            mark.use(30)
            mark.use(-55)
        with stage("small"):
            mark.use(1)
    assert {name: (s.peak, s.delta) for name, s in peaks.stages.items()} == {
        "outer": (175, 70),  # of the inner one
        "inner": (175, 70),
        "small": (111, 1),
    }
    assert list(peaks.stages) == ["outer", "inner", "small"]
    assert (whole.peak, whole.delta) == (175, 75)


def test_an_outer_stage_keeps_a_peak_of_its_own():
    mark = Mark()
    peaks = StagePeaks(mark)
    with observed(peaks), stage("outer"):
        mark.use(90)
        mark.use(-90)
        with stage("inner"):
            mark.use(10)
    assert peaks.stages["outer"].peak == 90
    assert peaks.stages["inner"].peak == 10


class FakeAllocator:
    """Counts as PyTorch's allocator does, in segments of 2 MB, and refuses an order of calls that reads nonsense."""

    SEGMENT = 2_000_000

    def __init__(self, in_use, reserved):
        self.in_use = in_use
        self.reserved = reserved
        self.pending = True
        self.peak = self.reserved_peak = None

    def _segments(self):
        return -(-self.in_use // self.SEGMENT) * self.SEGMENT

    def use(self, amount):
        self.pending = True
        self.in_use += amount
        self.reserved = max(self.reserved, self._segments())
        if self.peak is not None:
            self.peak = max(self.peak, self.in_use)
            self.reserved_peak = max(self.reserved_peak, self.reserved)

    def synchronize(self, device):
        self.pending = False

    def empty_cache(self):
        assert not self.pending, "blocks that a stream still uses stay in the cache"
        self.reserved = self._segments()

    def reset_peak_memory_stats(self, device):
        self.peak, self.reserved_peak = self.in_use, self.reserved

    def max_memory_allocated(self, device):
        assert self.peak is not None, "a peak of before the pass"
        return self.peak

    def max_memory_reserved(self, device):
        assert self.peak is not None, "a peak of before the pass"
        return self.reserved_peak


class FakeNvml:
    NVMLError = RuntimeError

    def __init__(self, *processes):
        self._processes = processes

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self._processes]


def test_device_memory_by_its_allocator_and_driver(monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 42)
    allocator = FakeAllocator(in_use=10_000_000, reserved=90_000_000)

    def work(batch):
        with stage("encode.image"):
            allocator.use(31_000_000)
            allocator.use(-26_000_000)
        with stage("head"):
            allocator.use(4_000_000)

    nvml = NvmlDevice(FakeNvml((7, 1), (42, 600_000_000)), None)
    found = device_memory(work, None, 8, torch.device("cuda:0"), allocator, nvml)
    assert (found.peak_bytes, found.delta_bytes) == (41_000_000, 31_000_000)
    assert [(s.name, s.peak_bytes, s.delta_bytes) for s in found.stages] == [
        ("encode.image", 41_000_000, 31_000_000),
        ("head", 19_000_000, 4_000_000),
    ]
    assert found.reserved_bytes == 42_000_000  # what was cached before is gone
    assert found.process_bytes == 600_000_000
    assert not allocator.pending
    assert found.method == "cuda max_memory_allocated, reset at each start; process: NVML"


def test_device_memory_without_a_driver_that_tells():
    allocator = FakeAllocator(0, 0)
    found = device_memory(lambda _: allocator.use(5), None, 1, torch.device("cuda:0"), allocator, None)
    assert found.process_bytes is None
    assert found.method.endswith("process: not told by NVML")


def test_device_whose_memory_is_not_counted():
    with pytest.raises(HarnessError, match="peak memory of mps"):
        measure_memory(lambda _: None, None, batch_size=1, device=torch.device("mps"))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_known_amount():
    device = torch.device("cuda:0")

    def work(batch):
        with stage("large"):
            return torch.ones(64 * MIB, dtype=torch.uint8, device=device)

    found = measure_memory(work, None, batch_size=1, device=device)
    assert found.delta_bytes == found.stages[0].delta_bytes == 64 * MIB
    assert found.reserved_bytes >= 64 * MIB
