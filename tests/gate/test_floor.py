"""What the same code seems to change against itself, and where that is kept; Student's t as `scipy.stats` has it."""

import math

import numpy as np
import pytest
from scipy import stats

from mmbench.errors import HarnessError, UsageError
from mmbench.gate.floor import floor_of, load_floor, save_floor
from mmbench.gate.options import GateOptions
from mmbench.gate.pair import Pair
from mmbench.gate.pingpong import Block
from mmbench.gate.workload import Workload

WORKLOAD = Workload("film", "vqa")


def pair(ratio, metric="throughput"):
    """A pair of processes all of whose blocks have one ratio."""
    base, head = {"model": 1.0}, {"model": ratio}
    return Pair(blocks={metric: [Block((base, base), (head, head))] * 4})


def floor(ratios, metric="throughput"):
    return floor_of([pair(ratio, metric) for ratio in ratios], WORKLOAD, GateOptions((metric,)))


def test_it_is_students_bound_on_the_mean_of_the_most_pairs():
    ratios = [1.02, 0.98, 1.01, 0.99]
    error = math.sqrt(np.mean(np.log(ratios) ** 2) / 10)
    assert floor(ratios).floors["throughput"] == pytest.approx(math.expm1(stats.t.ppf(0.975, 4) * error))
    assert floor([1.0] * 3).floors["throughput"] == 0.0


def test_gates_of_the_same_code_stay_below_it_as_often_as_it_says():
    """Of 300 simulated runners, whose pairs differ by 2 %, one gate each."""
    rng = np.random.default_rng(0)
    below = [
        abs(math.expm1(np.mean(rng.normal(0, 0.02, 10)))) < floor(np.exp(rng.normal(0, 0.02, 12))).floors["throughput"]
        for _ in range(300)
    ]
    assert 0.92 < np.mean(below) < 0.98


def test_floors_of_several_metrics_are_kept_side_by_side(tmp_path):
    path = tmp_path / "floors" / "own.json"
    save_floor(floor([1.02, 0.98]), path)
    save_floor(floor([1.01, 0.99], "latency"), path)
    assert set(load_floor(path, WORKLOAD, 10).floors) == {"throughput", "latency"}
    save_floor(floor([1.0, 1.0]), path)
    found = load_floor(path, WORKLOAD, 10).floors
    assert found["throughput"] == 0.0
    assert found["latency"] > 0


def test_gates_of_fewer_pairs_have_a_higher_one(tmp_path):
    path = tmp_path / "own.json"
    ratios = [1.02, 0.98, 1.01, 0.99]
    save_floor(floor(ratios), path)
    three = floor_of([pair(ratio) for ratio in ratios], WORKLOAD, GateOptions(most_pairs=3))
    assert load_floor(path, WORKLOAD, 3).floors == pytest.approx(three.floors)
    save_floor(three, path)
    assert load_floor(path, WORKLOAD, 10).floors == pytest.approx(floor(ratios).floors)


def test_one_of_another_runner_says_nothing_and_does_not_stay(tmp_path):
    path = tmp_path / "own.json"
    other = floor([1.02, 0.98], "latency").model_copy(update={"runner": "0" * 16})
    save_floor(other, path)
    assert load_floor(path, WORKLOAD, 10) is None
    save_floor(floor([1.02, 0.98]), path)
    assert set(load_floor(path, WORKLOAD, 10).floors) == {"throughput"}
    with pytest.raises(UsageError, match="noise floor of another workload"):
        load_floor(path, Workload("other", "vqa"), 10)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="cannot make the folder"):
        save_floor(floor([1.0]), tmp_path / "file" / "own.json")
