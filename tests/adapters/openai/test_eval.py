"""`mmbench eval --model openai:...`: the record, its failures and its usage, and going on after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
import torch

from mmbench.cli import main
from mmbench.errors import UsageError
from mmbench.record.schema import SCHEMA_FILE
from mmbench.record.store import Store
from mmbench.testing import check_model

from .loopback import completion, hold, reply, status

DEADLINE = 120.0
"""Seconds until a process that never gets where it should is given up."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """In an empty folder; PyTorch's threads are put back."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def arguments(server, *more, limit=24, **settings):
    chosen = {"cache": "answers", "backoff": 0.01, "retries": 2, "price_in": 2.5, "price_out": 10, **settings}
    return [
        *("eval", "--model", "openai:tiny", "--base-url", server.url, "--task", "vqa", "--limit", str(limit)),
        *("--batch-size", "8", "--workers", "0", "--threads", "1", "--device", "cpu", "--json"),
        *(part for option, value in chosen.items() for part in ("--option", f"{option}={value}")),
        *more,
    ]


@pytest.fixture
def evaluate(server, capsys):
    """Run in this process; returns the record as JSON and the table of samples."""

    def run(*more, output="results", **settings):
        code = main(arguments(server, "--output", output, *more, **settings))
        printed = capsys.readouterr()
        assert code == 0, printed.err
        record = json.loads(printed.out)
        store = Store(Path(output))
        ((file, _),) = store.find([Path(output)])
        return record, store.load_samples(file).to_pylist()

    return run


def some_fail(asked):
    """Some questions are refused, cut off, or not taken; the same ones in every run."""
    acts = {
        0: reply(completion(None, refusal="I would rather not.")),
        1: reply(completion("a long", "length")),
        2: status(400, {"error": {"message": "image too small"}}),
    }
    return acts.get(sum(asked.text.encode()) % 6)


REASONS = {
    "RefusedError: the model refuses: I would rather not.",
    "TruncatedError: the answer was cut off after 2 tokens; raise --option max_tokens=N",
    "RequestError: 400: image too small",
}


def test_record_tells_failures_and_usage(server, evaluate):
    server.rule = some_fail
    server.script.append(status(500))
    record, rows = evaluate("--on-error", "skip")
    jsonschema.validate(record, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    reasons = {failure["id"]: failure["reason"] for failure in record["failures"]}
    assert {*reasons.values()} == REASONS
    assert {failure["stage"] for failure in record["failures"]} == {"model"}
    assert [row["prediction"] for row in rows] == [None if row["id"] in reasons else "yes" for row in rows]
    assert record["metrics"]["accuracy"]["n"] == len(rows) - len(reasons) == 24 - len(reasons)
    usage = record["cost"]["usage"]
    assert usage["requests"] == len(server.asked)
    assert (usage["retried"], usage["failed"]) == (1, len(reasons))
    assert usage["requests"] - usage["retried"] + usage["cached"] == 24
    delivered = server.delivered.total()
    assert len(usage["request_s"]) == delivered
    assert (usage["input_tokens"], usage["output_tokens"]) == (10 * delivered, 2 * delivered)
    assert usage["cost"] == pytest.approx(delivered * (10 * 2.5 + 2 * 10) / 1e6)
    assert record["model"]["config"]["server"] == {"model": ["tiny-2"], "system_fingerprint": ["fp_1"]}
    assert record["model"]["weights"] is None


def test_nothing_is_asked_for_the_sake_of_measuring(server, evaluate):
    """Neither cost passes nor the check of batching ask a model that is paid by the answer."""
    record, _ = evaluate("--cost", "full", cache="off")
    assert len(server.asked) == 24
    assert record["cost"]["usage"]["requests"] == 24


def test_repeated_run_asks_nothing_and_has_the_same_rows(server, evaluate):
    server.rule = some_fail
    first, rows = evaluate("--on-error", "skip")
    refused = sum("RequestError" in failure["reason"] for failure in first["failures"])
    before = len(server.asked)
    again, same = evaluate("--on-error", "skip", output="again")
    assert same == rows
    assert (again["metrics"], again["failures"]) == (first["metrics"], first["failures"])
    assert len(server.asked) - before == again["cost"]["usage"]["requests"] <= refused
    assert again["cost"]["usage"]["cost"] == 0.0


def test_the_screen_tells_what_the_requests_took(server, capsys):
    assert main([word for word in arguments(server) if word != "--json"]) == 0
    shown = capsys.readouterr().out
    asked = len(server.asked)
    assert f"requests     {asked} (0 sent again); {24 - asked} answers from the cache; " in shown
    assert f"; {10 * asked} tokens in, {2 * asked} out" in shown
    assert "price        0.0" in shown
    assert "the cost passes" not in shown


@pytest.mark.parametrize("verb", ["diagnose", "profile"])
def test_what_would_ask_each_sample_many_times_is_refused(verb, server, capsys):
    words = [word for word in arguments(server) if word not in ("eval", "--json")]
    assert main([verb, *words]) == 2
    assert "answers on another machine" in capsys.readouterr().err
    with pytest.raises(UsageError, match="these checks ask each sample ten times"):
        check_model("openai:tiny", "vqa", settings=(f"base_url={server.url}",))
    assert not server.asked


def test_the_first_failure_ends_a_run_that_may_have_none(server, capsys):
    server.rule = lambda _: status(404, {"error": {"message": "The model `tiny` does not exist."}})
    assert main(arguments(server)) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert "failed at stage model: RequestError: 404: The model `tiny` does not exist." in line


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as POSIX does")
def test_killed_and_resumed_run_asks_for_no_answer_twice(server, evaluate, tmp_path):
    """Ten answers come, the rest is held back until the process is killed; the server counts what it delivered."""
    server.rule = lambda _: hold if len(server.asked) > 10 else None
    code = "import sys; from mmbench.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *arguments(server, "--output", "results")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: len(list(tmp_path.glob("answers/*/*.json"))) == 10, process)
            os.kill(process.pid, signal.SIGKILL)
        finally:
            process.kill()
    held = settled(lambda: len(server.asked)) - 10  # what was sent before the kill may be read after it
    server.rule = lambda _: None
    server.released.set()
    record, rows = evaluate("--resume")
    assert [row["prediction"] for row in rows] == ["yes"] * 24
    assert {*server.delivered.values()} == {1}
    questions = len(server.delivered)
    assert len(server.asked) == questions + held
    usage = record["cost"]["usage"]
    journaled = 24 - usage["cached"] - (questions - 10)  # answers of the first batch, which the killed run had stored
    assert usage["requests"] == len(usage["request_s"]) == questions - 10 + journaled
    assert usage["failed"] == 0
    assert 0 < journaled <= 8, "of the first batch"
    assert usage["cached"] >= 2, "of the second batch, which was in the middle"


def settled(value):
    """A number once it has been the same for half a second."""
    found, since = value(), time.monotonic()
    while time.monotonic() - since < 0.5:
        time.sleep(0.01)
        if value() != found:
            found, since = value(), time.monotonic()
    return found


def wait_until(there, process):
    end = time.monotonic() + DEADLINE
    while not there():
        assert process.poll() is None, f"ended too early: {process.stderr.read()}"
        assert time.monotonic() < end, f"not there after {DEADLINE} s"
        time.sleep(0.01)
