"""Gates of planted models, each in folders of their own and live processes: what differs is found, and named."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from mmbench.errors import HarnessError, UsageError
from mmbench.gate.gate import GateProgress, calibrate, gate
from mmbench.gate.options import GateOptions
from mmbench.gate.workload import Workload
from mmbench.record.gate import Verdict

PLUGIN = "model.py"
WORKLOAD = Workload("planted", "planted", plugins=(PLUGIN,), batch_size=8)
QUICK = {"pairs": 1, "most_pairs": 1, "blocks": 4, "play_s": 0.1, "patience_s": 60.0}

THREE = {"pairs": 3, "most_pairs": 3}
"""Of which the start of processes, and what pairs differ in, can be told."""


@pytest.fixture
def compared(tmp_path, monkeypatch, plant):
    """Gate two planted sides: `compared({}, {"read_s": 0.004}, metrics=("throughput",), pairs=2)`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))

    def run(base, head, workload=WORKLOAD, progress=None, **given):
        sides = [str(plant(tmp_path / name, **planted)) for name, planted in (("base", base), ("head", head))]
        return gate(*sides, workload, GateOptions(**(QUICK | given)), progress=progress)

    yield run
    alive = subprocess.run(["pgrep", "-f", "mmbench/gate/start.py"], capture_output=True, text=True, check=False).stdout
    own = [pid for pid in alive.split() if _parent(pid) == os.getpid()]
    assert not own, "a worker was left behind"
    assert not list((tmp_path / "tmp").glob("mmbench-gate-*/"))


def _parent(pid):
    try:
        return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])  # noqa: PTH123
    except OSError:
        return None


def slower(report):
    return {(place.group, place.name) for place in report.places if place.slower}


def test_a_stage_that_takes_twice_as_long_is_a_regression_and_is_named(compared):
    told = []

    class Progress(GateProgress):
        def pair(self, number, most):
            told.append((number, most))

    report = compared({}, {"read_s": 0.004}, progress=Progress(), metrics=("throughput", "latency"), **THREE)
    assert report.verdict is Verdict.REGRESSION
    throughput, latency = report.findings
    assert (throughput.metric, latency.metric) == ("throughput", "latency")
    for finding in report.findings:
        assert finding.verdict is Verdict.REGRESSION
        assert finding.change.low > finding.budget
        assert 0.3 < finding.change.value < 0.6  # 6 ms and a little by 4 ms and a little
        assert [len(blocks) for blocks in finding.head_s] == [4, 4, 4]
    assert throughput.higher_is_better
    assert throughput.head < throughput.base < 8 / 0.004
    assert 0.006 < latency.head < 0.012
    assert report.reason.startswith("throughput +")
    assert ("model", "read") in slower(report)
    assert not slower(report) & {("model", "tell"), ("data", "collate")}
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert report.answers.samples == 64
    assert report.answers.differ == 0
    assert json.loads(report.to_json())["base"]["label"].endswith("base")
    assert report.workload["plugins"] == [PLUGIN]


def test_a_faster_model_is_an_improvement(compared):
    report = compared({"read_s": 0.004}, {})
    assert report.verdict is Verdict.IMPROVEMENT
    assert report.findings[0].change.high < -0.03


def test_slower_data_are_told_apart_from_the_model(compared):
    report = compared({}, {"collate_s": 0.008}, metrics=("throughput", "data"), budgets={"throughput": 0.5})
    verdicts = {finding.metric: finding.verdict for finding in report.findings}
    assert verdicts == {"throughput": Verdict.PASS, "data": Verdict.REGRESSION}
    assert ("data", "collate") in slower(report)
    assert not any(group == "model" for group, _ in slower(report))


def test_a_slower_first_call_is_told_apart_and_is_no_regression(compared):
    report = compared({}, {"first_s": 1.0}, budgets={"": 0.5}, **THREE)
    assert report.verdict is Verdict.PASS
    assert ("start", "first call") in slower(report)
    assert not any(group == "model" for group, _ in slower(report))


def test_a_slower_warm_up_is_told_apart_and_is_no_regression(compared):
    report = compared({}, {"warming_s": 0.1}, budgets={"": 0.5}, **THREE)
    assert report.verdict is Verdict.PASS
    assert ("start", "warm-up") in slower(report)
    assert not slower(report) & {("start", "load"), ("start", "first call")}
    assert not any(group == "model" for group, _ in slower(report))


def test_the_first_iteration_of_a_turn_is_not_timed(compared):
    """It finds the other side's data in the caches; here it takes twice as long, of three in a chunk."""
    report = compared({}, {"after_pause_s": 0.004}, budgets={"": 0.15}, **THREE)
    assert report.verdict is not Verdict.REGRESSION
    assert report.findings[0].change.value < 0.15  # timed, it were a third


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system lets no process choose its cores")
@pytest.mark.parametrize("threads", [1, 2])
def test_with_one_thread_both_are_timed_on_one_core(compared, tmp_path, threads):
    planted = {"notes_cores": True}
    compared(planted, planted, replace(WORKLOAD, threads=threads), metrics=("accuracy", "throughput"))
    noted = [line for side in ("base", "head") for line in (tmp_path / side / "cores").read_text().splitlines()]
    every = sorted(os.sched_getaffinity(0))
    assert {line for line in noted if line.startswith("timed")} == {f"timed {every[-1:] if threads == 1 else every}"}
    assert noted[-1] == f"else {every}"  # evaluated, once nothing is timed any more


def test_pairs_are_added_while_the_interval_straddles_the_budget(compared):
    """Every other process of head takes twice as long, so that no number of pairs is enough."""
    told = []

    class Progress(GateProgress):
        def pair(self, number, most):
            told.append(number)

    planted = {"read_s": 0.002, "other_read_s": 0.006}
    report = compared({}, planted, progress=Progress(), budgets={"": 0.4}, pairs=2, most_pairs=4)
    assert told == [1, 2, 3, 4]
    assert report.verdict is Verdict.INCONCLUSIVE
    (finding,) = report.findings
    assert finding.reason == "the interval straddles the budget"
    assert finding.change.pairs == 4
    assert finding.change.low < 0.4 < finding.change.high


def test_wrong_answers_are_a_failure_and_no_speed(compared):
    report = compared({}, {"wrong": 3, "read_s": 0.0})
    assert report.verdict is Verdict.FAILURE
    assert report.reason.startswith("answers otherwise than base to 24 of 64 samples (sample 0: 'red' in base, 'green'")
    assert report.findings == report.places == []
    assert report.answers.differ == 24


def test_where_a_quality_is_gated_it_judges_the_answers(compared):
    report = compared({}, {"wrong": 3}, metrics=("accuracy",))
    (finding,) = report.findings
    assert finding.verdict is report.verdict is Verdict.REGRESSION
    assert (finding.base, finding.head) == (1.0, 0.625)
    assert finding.change.value == pytest.approx(0.375)
    assert finding.change.low > 0
    same = compared({}, {}, metrics=("accuracy", "parameters"))
    accuracy, parameters = same.findings
    assert (accuracy.verdict, accuracy.change.value) == (Verdict.PASS, 0.0)
    assert accuracy.change.method == "rows are the same"
    assert (parameters.verdict, parameters.reason) == (
        Verdict.INCONCLUSIVE,
        "base cannot tell: it is no torch.nn.Module",
    )
    (flops,) = compared({}, {}, metrics=("flops",)).findings
    assert (flops.verdict, flops.reason) == (
        Verdict.INCONCLUSIVE,
        "base cannot tell: it works out of PyTorch's sight",
    )


OWN = """
from torch import nn


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Identity() if {width} == 192 else nn.Linear(192, {width})
        self.head = nn.Linear({width}, 10)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, image):
        return self.head(self.body(image.flatten(1)))
"""


def test_what_needs_no_statistics_is_compared_exactly(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for side, width in (("base", 192), ("head", 1024)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "own.py").write_text(OWN.format(width=width), encoding="utf-8")
    workload = Workload("own.py:Own", "image_classification", limit=128, batch_size=16)
    report = gate("base", "head", workload, GateOptions(("memory", "flops", "parameters"), pairs=1))
    memory, flops, parameters = report.findings
    assert {finding.verdict for finding in report.findings} == {report.verdict} == {Verdict.REGRESSION}
    assert {finding.change.level for finding in report.findings} == {None}
    # Multiplications and additions of the matrices, and their numbers with the biases.
    assert (flops.base, flops.head) == (2 * 192 * 10, 2 * 192 * 1024 + 2 * 1024 * 10)
    assert (parameters.base, parameters.head) == (193 * 10, 193 * 1024 + 1025 * 10)
    assert parameters.change.value == pytest.approx(parameters.head / parameters.base - 1)
    assert memory.base >= 4 * parameters.base
    assert memory.head - memory.base >= 4 * (parameters.head - parameters.base)
    assert memory.unit == "bytes"


def test_the_interpreter_of_an_environment_is_a_side(plant, tmp_path, monkeypatch):
    monkeypatch.chdir(plant(tmp_path / "here"))
    report = gate(sys.executable, sys.executable, WORKLOAD, GateOptions(**QUICK, budgets={"": 4.0}))
    assert (report.verdict, report.base.label, report.head.commit) == (Verdict.PASS, sys.executable, None)
    assert report.base.versions == report.head.versions


def test_a_dirty_tree_is_noted_and_measured(compared, plant, git, tmp_path):
    notes = []

    class Progress(GateProgress):
        def note(self, message):
            notes.append(message)

    head = plant(tmp_path / "head")
    git(head, "init", "--quiet")
    git(head, "add", ".")
    git(head, "commit", "--quiet", "--message", "one")
    report = compared({}, {"read_s": 0.006}, progress=Progress())
    assert notes == ["head has changes that are not committed, and is measured with them"]
    assert (report.head.dirty, report.base.dirty, report.verdict) == (True, False, Verdict.REGRESSION)
    assert report.head.label.endswith("with changes)")


@pytest.mark.parametrize(
    ("planted", "reason"),
    [
        ({"crashes_at": 2}, "ValueError: planted: it crashes"),
        ({"aborts_at": 2}, "crashed with SIGABRT"),
        ({"fails_to_open": True}, "RuntimeError: planted: it cannot be opened"),
        ({"revision": "2"}, "does not run the same as base: revision 2, not 1"),
        ({"samples": 100}, "does not run the same as base: samples 100, not 200"),
        ({"drops": 1}, "gave 7 answers to 8 samples"),
    ],
)
def test_what_head_does_wrong_is_its_failure(compared, planted, reason):
    report = compared({}, planted)
    assert (report.verdict, report.reason) == (Verdict.FAILURE, reason)


def test_other_samples_under_a_quality_are_heads_failure(compared):
    report = compared({}, {"ids": "renamed"}, metrics=("accuracy",))
    assert report.verdict is Verdict.FAILURE
    assert report.reason == (
        "planted (base) and planted (head) have different samples: 'test/0' is in planted (base) and not in planted "
        "(head)"
    )


def test_samples_that_cannot_be_paired_are_no_fault_of_head(compared):
    same = {"id": "the same"}
    with pytest.raises(UsageError, match=r"planted \(base\): an id stands for several samples"):
        compared(same, same, metrics=("accuracy",))


@pytest.mark.parametrize(
    ("planted", "metrics"),
    [
        ({"hangs_at": 1}, ("throughput",)),
        ({"hangs_in": "chunk"}, ("throughput",)),
        ({"hangs_in": "evaluate"}, ("accuracy",)),
    ],
    ids=["loading", "in a chunk", "in an evaluation"],
)
def test_a_head_that_hangs_is_ended(compared, planted, metrics):
    report = compared({}, planted, patience_s=20.0, metrics=metrics)
    assert report.verdict is Verdict.FAILURE
    assert report.reason.startswith("hangs: no answer to '")
    assert re.search(r"' within 2\d s \(--patience\)$", report.reason)


def test_what_base_does_wrong_is_an_error(compared):
    with pytest.raises(HarnessError, match="base: ValueError: planted: it crashes"):
        compared({"crashes_at": 2}, {})
    with pytest.raises(UsageError, match="unknown model 'plantde'; did you mean 'planted'"):
        compared({}, {}, workload=Workload("plantde", "planted", plugins=(PLUGIN,)))


def test_code_that_cannot_differ_is_not_compared(compared, plant, tmp_path):
    plugin = plant(tmp_path / "elsewhere") / PLUGIN
    same = r"run the same files, such as elsewhere/model\.py, so they cannot differ: "
    with pytest.raises(UsageError, match=f"{same}give elsewhere/model.py relative to the working directory"):
        compared({}, {"read_s": 0.01}, workload=Workload("planted", "planted", plugins=(str(plugin),)))
    with pytest.raises(
        UsageError, match=f"{same}base has no elsewhere/model.py, so that it runs the one in the working"
    ):
        compared({}, {"read_s": 0.01}, workload=Workload("planted", "planted", plugins=("elsewhere/model.py",)))


def test_sides_that_differ_in_what_the_model_imports_are(compared, plant, tmp_path):
    plugin = plant(tmp_path / "elsewhere") / PLUGIN
    plugin.write_text(f"import own_part\n{plugin.read_text()}")
    for side in ("base", "head"):
        (plant(tmp_path / side) / "own_part.py").write_text("")
    workload = Workload("planted", "planted", plugins=(str(plugin),), batch_size=8)
    assert compared({}, {}, workload=workload, budgets={"": 4.0}).verdict is Verdict.PASS


def test_a_worker_that_is_killed_from_outside_is_no_verdict(compared):
    with pytest.raises(
        HarnessError, match=r"head: its process was killed from outside \(SIGKILL\); perhaps there was no memory left"
    ):
        compared({}, {"killed_in_chunk": True})


def test_too_few_pairs_in_the_time_are_inconclusive(compared):
    report = compared({}, {"read_s": 0.003}, time_limit_s=1.0, blocks=1000, **THREE)
    assert report.verdict is Verdict.INCONCLUSIVE
    (finding,) = report.findings
    assert finding.reason == "1 of 3 pairs were made in the time for it (--time-limit)"
    assert [len(blocks) for blocks in finding.head_s] == [2]  # these are made in any case


def test_a_floor_is_what_the_same_code_seems_to_change(plant, tmp_path, monkeypatch):
    monkeypatch.setattr("mmbench.gate.gate.CALIBRATION_PAIRS", 3)
    side = str(plant(tmp_path / "same"))
    floor = calibrate(side, WORKLOAD, GateOptions(**(QUICK | {"metrics": ("throughput", "memory")})))
    assert floor.pairs == 3
    assert set(floor.floors) == {"throughput"}
    assert 0 < floor.floors["throughput"] < 0.5
    with pytest.raises(UsageError, match="there is noise to calibrate in timings only"):
        calibrate(side, WORKLOAD, GateOptions(("memory",)))
