"""The fixtures that other projects' tests get: here, or in projects of their own that pytest runs."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from textwrap import dedent

import pytest


@pytest.fixture
def run(tmp_path):
    """Run a test file: `run(text, "--benchmark-json=x.json")` gives the exit code and what was printed."""

    def go(text, *words):
        (tmp_path / "test_speed.py").write_text(dedent(text))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, "test_speed.py"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    return go


class Machine:
    """A clock that work moves; the third work of every block takes a tenth less, whichever side it is of."""

    def __init__(self):
        self.now = 0
        self.done = 0

    def work(self, seconds):
        self.done += 1
        self.now += seconds * 9 // 10 if self.done % 4 == 3 else seconds


@dataclass
class Unhashable:
    """Work that equals other work of as many seconds, and so has no hash."""

    machine: Machine
    seconds: int

    def __call__(self):
        self.machine.work(self.seconds)


@pytest.fixture
def machine(monkeypatch):
    """The machine whose clock the fixtures read."""
    machine = Machine()
    monkeypatch.setattr("mmbench.pytest_plugin.perf_counter", lambda: machine.now)
    return machine


@pytest.mark.parametrize("make", [lambda machine, seconds: partial(machine.work, seconds), Unhashable])
def test_the_order_of_a_block_does_not_count(slowdown, machine, make):
    work, twice = make(machine, 10), make(machine, 20)
    assert slowdown(work, work, blocks=4, rounds=1).value == 1
    assert slowdown(work, twice, blocks=4, rounds=1).value == pytest.approx(2)


def test_a_slowdown_is_found_and_the_same_is_not(run):
    code, printed = run(
        """
        import time


        def brief():
            time.sleep(0.001)


        def long():
            time.sleep(0.0015)


        def test_same(slowdown):
            assert slowdown(brief, brief).low <= 1.03


        def test_slower(slowdown):
            ratio = slowdown(brief, long)
            assert 1.2 < ratio.low <= ratio.value <= ratio.high < 1.7
            assert (ratio.pairs, ratio.blocks) == (3, 60)


        def test_faster(slowdown):
            assert slowdown(long, brief, blocks=8, rounds=2).high < 0.9
        """
    )
    assert code == 0, printed
    assert "3 passed" in printed


def test_a_model_on_a_task_is_timed_by_pytest_benchmark(run, tmp_path):
    (tmp_path / "seeds.py").write_text("import random, numpy\n\nrandom.seed(1)\nnumpy.random.seed(1)\n")
    text = """
        import random

        import numpy as np
        import torch


        def draws():
            return random.random(), np.random.random(), torch.rand(1).item()


        def test_film(benchmark_model):
            torch.set_num_threads(3)
            states = random.getstate(), np.random.get_state(), torch.get_rng_state()
            expected = draws()
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])
            benchmark_model("film", "vqa", limit=64, batch_size=8, plugins=("seeds.py",))
            assert torch.get_num_threads() == 3
            assert draws() == expected
        """
    code, printed = run(text, "--benchmark-json=found.json", "--benchmark-max-time=0.2")
    assert code == 0, printed
    (found,) = json.loads((tmp_path / "found.json").read_text())["benchmarks"]
    told = found["extra_info"]
    assert (told["model"], told["task"], told["batch_size"], told["device"]) == ("film", "vqa", 8, "cpu")
    assert told["samples_per_s"] == pytest.approx(8 / found["stats"]["median"])
    assert run(text, "--benchmark-disable")[0] == 0


def test_it_costs_other_projects_nothing_where_it_is_not_used(run):
    code, printed = run(
        """
        import sys


        def test_nothing_heavy_is_loaded():
            assert not {"torch", "numpy", "transformers"} & set(sys.modules)
        """
    )
    assert code == 0, printed
