"""The measured peak, on a machine of known speed: a clock that each operator moves on by its work."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmbench.profile.clock import Mark
from mmbench.profile.peak import default_copy_bytes, measure_peak

CPU = torch.device("cpu")
COPY = 1 << 20


class Machine(TorchDispatchMode):
    """Does `flops_per_s` in products and `bytes_per_s` in copies, by its own time; each run is slowed as told."""

    def __init__(self, flops_per_s: float, bytes_per_s: float, slow: Iterator[float], overhead_s: float = 0.0) -> None:
        super().__init__()
        self.flops_per_s, self.bytes_per_s, self.slow, self.overhead_s = flops_per_s, bytes_per_s, slow, overhead_s
        self.now = 0.0
        self.sizes: list[int] = []
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.mm.out:
            self.sizes.append(len(args[0]))
            self.dtypes.add(args[0].dtype)
            self.now += self.overhead_s + next(self.slow) * 2 * len(args[0]) ** 3 / self.flops_per_s
            return kwargs["out"]
        if func is torch.ops.aten.copy_.default:
            self.now += next(self.slow) * 2 * args[0].nbytes / self.bytes_per_s
            return args[0]
        return func(*args, **(kwargs or {}))


@dataclass
class MachineClock:
    """Refuses to be read before it has settled."""

    machine: Machine
    settled: bool = False
    released: int = field(default=0)

    def mark(self) -> Mark:
        self.settled = False
        return Mark(self.machine.now)

    def settle(self) -> None:
        self.settled = True

    def seconds(self, start: Mark, end: Mark) -> float:
        assert self.settled
        return end.host_s - start.host_s

    def release(self) -> None:
        self.released += 1


def steady() -> Iterator[float]:
    return (1.0 for _ in count())


def run(machine: Machine, dtype: torch.dtype = torch.float32):
    with machine:
        return measure_peak(CPU, dtype, clock=MachineClock(machine), copy_bytes=COPY)


def test_known_rates_are_found():
    peak = run(Machine(1e9, 5e9, steady()))
    assert peak.flops_per_s == pytest.approx(1e9)
    assert peak.bytes_per_s == pytest.approx(5e9)
    assert (peak.dtype, peak.threads) == ("float32", torch.get_num_threads())


def test_best_run_counts():
    slow = (3.0 if turn % 3 else 1.0 for turn in count())
    peak = run(Machine(1e9, 5e9, slow))
    assert peak.flops_per_s == pytest.approx(1e9)
    assert peak.bytes_per_s == pytest.approx(5e9)


def test_first_run_of_each_size_only_warms_up():
    fast_first = iter([0.001])
    peak = run(Machine(1e8, 5e9, (next(fast_first, 1.0) for _ in count())))
    assert peak.flops_per_s == pytest.approx(1e8)


def test_sizes_grow_until_a_product_takes_a_tenth_of_a_second():
    machine = Machine(10e9, 5e9, steady(), overhead_s=0.02)
    peak = run(machine)
    assert sorted(set(machine.sizes)) == [256, 512, 1024]
    assert peak.flops_per_s == pytest.approx(2 * 1024**3 / (0.02 + 2 * 1024**3 / 10e9))


def test_slow_machine_does_the_smallest_size_a_few_times():
    machine = Machine(1e6, 5e9, steady())
    run(machine)
    assert set(machine.sizes) == {256}
    assert len(machine.sizes) <= 3


def test_whole_measurement_takes_about_a_second():
    machine = Machine(100e9, 10e9, steady())
    run(machine)
    assert machine.now < 2


def test_number_format_is_that_of_the_run():
    machine = Machine(1e9, 5e9, steady())
    assert run(machine, torch.bfloat16).dtype == "bfloat16"
    assert machine.dtypes == {torch.bfloat16}


def test_whole_numbers_are_refused():
    with pytest.raises(ValueError, match="int8"):
        measure_peak(CPU, torch.int8)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose free memory in MiB, and whose caches, are as told."""

    def tell(free: int, **caches: str) -> None:
        (tmp_path / "meminfo").write_text(f"MemTotal: 9999999999 kB\nMemAvailable: {free * 1024} kB\n")
        for name, size in caches.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "size").write_text(f"{size}\n")

    monkeypatch.setattr("mmbench.profile.peak._MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr("mmbench.profile.peak._CACHES", tmp_path)
    return tell


@pytest.mark.parametrize(
    ("free", "caches", "expected"),
    [
        (64_000, {}, 256),
        (64_000, {"index0": "32K", "index3": "8M"}, 256),
        (64_000, {"index0": "32K", "index3": "307200K"}, 600),
        (800, {"index3": "307200K"}, 100),
    ],
)
def test_copied_tensor_is_larger_than_caches_but_leaves_room(host, free, caches, expected):
    host(free, **caches)
    assert default_copy_bytes(CPU) == expected << 20


def test_this_machine_has_a_peak():
    peak = measure_peak(CPU, torch.float32, copy_bytes=COPY)
    assert peak.flops_per_s > 0
    assert peak.bytes_per_s > 0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_accelerator_has_a_peak():
    peak = measure_peak(torch.device("cuda"), torch.float32)
    assert peak.flops_per_s > 1e11
    assert peak.bytes_per_s > 1e10
