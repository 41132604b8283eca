"""Killed with SIGKILL at several points and resumed, a run is as one that was never stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import mmbench_baselines.weights
from mmbench.cli import main
from mmbench.record.store import Store

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as POSIX does")

BATCHES = 25
DEADLINE = 120.0
"""Seconds until a process that never gets where it should is given up."""


FILM = Path(mmbench_baselines.weights.__path__[0]) / "vqa" / "easy-vqa" / "film.safetensors"
OPTIONS = {
    "--model": "film",
    "--task": "probe",
    "--dataset": "probe-slow",
    "--weights": FILM,
    "--plugin": Path(__file__).with_name("probes.py"),
    "--limit": 8 * BATCHES,
    "--batch-size": 8,
    "--workers": 1,
    "--threads": 1,
    "--device": "cpu",
    "--invariance": 64,
}
ARGUMENTS = ["eval", *(str(part) for option in OPTIONS.items() for part in option)]
"""A run of 25 batches, each slow enough for a kill to hit it."""


@contextmanager
def started(output: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A process that evaluates into a folder; killed at the end."""
    code = "import sys; from mmbench.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *ARGUMENTS, "--output", str(output), *more]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """Copies of the output folder of a run that was killed after its second batch."""
    output = tmp_path_factory.mktemp("interrupted") / "output"
    with started(output) as process:
        wait_for(output, 2, process)
        kill(process)

    def copy(path: Path) -> Path:
        shutil.copytree(output, path)
        return path

    return copy


@pytest.fixture
def evaluation(probes, capsys, threads):
    """Run in this process into a folder; returns the record, the table of samples, and what was printed on stderr."""

    def evaluate(output, *more):
        code = main([*ARGUMENTS, "--cost", "off", "--output", str(output), "--json", *more])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        store = Store(output)
        ((file, record),) = store.find([output])
        assert json.loads(printed.out) == record.model_dump(mode="json")
        return record, store.load_samples(file), printed.err

    return evaluate


@pytest.fixture(scope="module")
def found_once():
    return []


@pytest.fixture
def whole(evaluation, tmp_path, found_once):
    """The run as it is when nothing stops it."""
    if not found_once:
        found_once.append(evaluation(tmp_path / "whole"))
    return found_once[0]


def journal(output: Path) -> Path:
    (path,) = (output / ".journal").glob("*.jsonl")
    return path


def wait_for(output: Path, batches: int, process) -> None:
    """Until the journal holds its header and that many batches."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        with suppress(ValueError, FileNotFoundError):
            if journal(output).read_bytes().count(b"\n") > batches:
                return
        assert process.poll() is None, f"ended before batch {batches}: {process.stderr.read()}"
        time.sleep(0.001)
    pytest.fail(f"no {batches} batches after {DEADLINE} s")


def kill(process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    """Whether a process is there, and not only waits for somebody to ask how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def same(found, expected) -> None:
    record, table, _ = found
    reference, rows, _ = expected
    assert table.equals(rows)
    assert (record.metrics, record.breakdowns) == (reference.metrics, reference.breakdowns)
    assert record.settings == reference.settings
    assert len(record.cost.throughput.batch_s) == BATCHES


@pytest.mark.parametrize("points", [(13,), (3, BATCHES)], ids=str)
def test_killed_and_resumed_is_as_never_stopped(points, evaluation, whole, tmp_path):
    """The last point is after the last batch, while the record is being made."""
    output = tmp_path / "killed"
    for number, point in enumerate(points):
        with started(output, *(["--resume"] if number else [])) as process:
            wait_for(output, point, process)
            kill(process)
    assert not list(output.rglob("record.json"))
    lines = journal(output).read_bytes().splitlines()
    assert len(lines) > points[-1]
    resumed = evaluation(output, "--resume")
    same(resumed, whole)
    assert resumed[0].run_id == json.loads(lines[0])["run_id"]
    assert resumed[2] == ""
    assert list((output / ".journal").iterdir()) == []


def test_second_process_is_refused(probes, threads, capsys, tmp_path):
    output = tmp_path / "killed"
    with started(output) as process:
        wait_for(output, 1, process)
        os.kill(process.pid, signal.SIGSTOP)  # for as long as the others try
        before = journal(output).read_bytes()
        for more in ([], ["--resume"]):
            assert main([*ARGUMENTS, "--output", str(output), *more]) == 2
            error = capsys.readouterr().err
            assert error.startswith("error: the same evaluation is running in another process")
            assert error.count("\n") == 1
        assert journal(output).read_bytes() == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process die with its parent")
def test_workers_do_not_outlive_a_killed_process(evaluation, whole, tmp_path):
    """A worker that hangs, as on a lock that the killed process held, would keep what it inherited: the journal's."""
    output = tmp_path / "killed"
    with started(output) as process:
        wait_for(output, 1, process)
        workers = children(process.pid)
        assert len(workers) == 1
        os.kill(workers[0], signal.SIGSTOP)
        kill(process)
    end = time.monotonic() + 10.0
    while is_running(workers[0]) and time.monotonic() < end:
        time.sleep(0.01)
    survived = is_running(workers[0])
    if survived:
        os.kill(workers[0], signal.SIGKILL)
    assert not survived
    same(evaluation(output, "--resume"), whole)


@pytest.mark.parametrize("kept", [0, -1])
def test_torn_last_line_is_dropped(kept, interrupted, evaluation, whole, tmp_path):
    output = interrupted(tmp_path / "killed")
    header, first, *_ = journal(output).read_bytes().splitlines()
    journal(output).write_bytes(header + b"\n" + first[:kept])
    same(evaluation(output, "--resume"), whole)


def test_killed_after_the_record_was_stored(interrupted, evaluation, tmp_path):
    """The journal is removed after the record is stored; a kill may come between the two."""
    output = interrupted(tmp_path / "killed")
    path = journal(output)
    content = path.read_bytes()
    first = evaluation(output, "--resume")
    path.write_bytes(content)
    again = evaluation(output, "--resume")
    assert again[0] == first[0]
    assert not path.exists()


def test_killed_while_the_record_was_stored(interrupted, evaluation, whole, tmp_path):
    """A run is written into a temporary folder, which the killed process leaves half full."""
    output = interrupted(tmp_path / "killed")
    run_id = json.loads(journal(output).read_bytes().splitlines()[0])["run_id"]
    half = output / "probe" / "probe-slow" / "film" / f".tmp-{run_id}"
    half.mkdir(parents=True)
    (half / "record.json").write_text("{")
    same(evaluation(output, "--resume"), whole)
    assert not half.exists()


def test_nothing_to_resume_starts_from_the_beginning(evaluation, whole, tmp_path):
    found = evaluation(tmp_path / "new", "--resume")
    assert found[2].startswith("note: nothing to resume: ")
    assert found[2].count("\n") == 1
    same(found, whole)


def test_without_resume_an_interrupted_run_starts_over(interrupted, evaluation, whole, tmp_path):
    output = interrupted(tmp_path / "killed")
    run_id = json.loads(journal(output).read_bytes().splitlines()[0])["run_id"]
    found = evaluation(output)
    assert "--resume would have gone on with it" in found[2]
    assert found[0].run_id != run_id
    same(found, whole)


@pytest.mark.parametrize(
    "other", [("--seed", "1"), ("--batch-size", "4"), ("--limit", "100"), ("--dtype", "bfloat16")], ids=" ".join
)
def test_another_evaluation_is_not_resumed(other, interrupted, evaluation, tmp_path):
    """What may change a row makes it another evaluation, whose journal is its own."""
    output = interrupted(tmp_path / "killed")
    found = evaluation(output, "--resume", *other)
    assert found[2].startswith("note: nothing to resume: ")
    assert journal(output).exists()


@pytest.mark.parametrize("other", [("--workers", "0"), ("--on-error", "skip")], ids=" ".join)
def test_what_changes_no_row_may_differ(other, interrupted, evaluation, whole, tmp_path):
    output = interrupted(tmp_path / "killed")
    run_id = json.loads(journal(output).read_bytes().splitlines()[0])["run_id"]
    record, table, printed = evaluation(output, "--resume", *other)
    assert (record.run_id, record.metrics, printed) == (run_id, whole[0].metrics, "")
    assert table.equals(whole[1])
