"""What cost passes found, as it is printed."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from mmbench.cli.cost_report import print_cost
from mmbench.cli.report import print_profile, print_run
from mmbench.cli.units import bar, memory, percent, plural
from mmbench.leaderboard.units import digits, duration, si
from mmbench.profile.results import Estimate, Passes, Sweep, SweepPoint
from mmbench.record.profile import ProfileRecord
from mmbench.record.schema import RunRecord

EXAMPLE = Path(__file__).parents[1] / "record" / "example_record.json"


@pytest.fixture
def record():
    return RunRecord.model_validate_json(EXAMPLE.read_text(encoding="utf-8"))


@pytest.fixture
def parts():
    """Every part of the example, as JSON values."""
    cost = json.loads(EXAMPLE.read_text(encoding="utf-8"))["cost"]
    return {name: cost[name] for name in Passes.model_fields}


def printed(show, width=80, **options):
    console = Console(file=io.StringIO(), width=width, highlight=False, _environ={}, **options)
    show(console)
    return console.file.getvalue()


def report(parts, width=80, short=False, **options):
    passes = Passes.model_validate(parts)
    return printed(lambda console: print_cost(passes, console, short=short), width, **options)


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def stage(name, seconds, host_s=None):
    return {
        "name": name,
        "seconds": {"value": seconds, "low": None, "high": None, "level": 0.95, "n": 3, "method": "mean"},
        "host_s": seconds if host_s is None else host_s,
        "calls": 1.0,
        "iteration_s": [seconds],
    }


def test_all_parts_of_the_example_are_told(parts):
    shown = lines(report(parts))
    for line in (
        "throughput 1,280 samples/s (95 %: 1,275 – 1,285), batch size 64",
        "first call 200 ms; then 12 calls in 1.10 s to warm up",
        "latency p50 4.00 ms (95 %: 3.90 ms – 4.10 ms)",
        "p90 5.00 ms",
        "p99 6.00 ms",
        "iteration 21.0 ms without recording, batch size 64",
        "stages sum to 100 % of that",
        "work at least 1.00 MFLOP a sample · 7.11 FLOP/byte, batch size 64",
        "not counted aten.special (2 calls)",
        "machine 50.0 GFLOP/s (float32, 1 thread) and 10.0 GB/s, measured",
        "below 5.00 FLOP/byte memory sets the limit, above it the arithmetic",
        "first token after 10.0 ms",
        "generation 200 tokens/s a request, 64 tokens",
        "memory 312.4 MB peak, 1.2 MB of it for a batch of 64 (VmHWM)",
        "parameters 106,173, all trainable",
        "model size 425 kB of parameters, 512 B of buffers (float32 425 kB)",
        "data the model waits for it 20 % of the time (256 samples, 1 worker)",
        "a sample: decode 400 µs",
        "energy 10.0 mJ a sample (RAPL package-0)",
        "knee batch size 1: no larger one worked",
        "scenario server: 3 queries of 1 sample, 100 samples/s",
        "100 queries/s arrive at random, the model busy 40 % of the time",
        "p99 keeps to its bound of 100 ms",
        "failed energy: no counter",
    ):
        assert line in shown, line
    (image,) = [line for line in shown if line.startswith("encode.image 95 %")]
    assert image.split()[4:] == ["20.0", "64.0", "M", "7.11", "–"]
    (whole,) = [line for line in shown if line.startswith("whole")]
    assert whole == "whole 100 % 21.0 64.0 M 7.11 6 %"
    (first,) = [line for line in shown if line.startswith("1 250 ")]
    assert first.endswith("4.00 300.0 MB ← knee")
    assert "4,096 – – – OutOfMemoryError" in shown


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_wider_than_the_terminal(parts, width, short):
    parts["stages"]["stages"].insert(0, stage("vision_model.encoder.layers.0.self_attention.projection", 0.001, 0.1))
    parts["sweep"]["points"][1]["failure"] = "CUDA out of memory: " + "tried to allocate much " * 8
    parts["model_memory"]["method"] = "peak resident set by clear_refs and VmHWM of /proc/self, in one process"
    text = report(parts, width, short)
    assert max(map(len, text.splitlines())) <= width
    assert "self_attention" in "".join(text.split()) or width == 60


@pytest.mark.parametrize("name", [name for name in Passes.model_fields if name not in ("energy", "failures")])
def test_each_part_stands_alone_and_leaves_no_trace_when_absent(parts, name):
    alone = report({name: parts[name]})
    assert alone.strip()
    assert "None" not in alone
    without = report({key: value for key, value in parts.items() if key not in (name, "failures", "energy")})
    told = {"model_throughput": "throughput", "model_memory": "memory ", "static_memory": "parameters"}
    told |= {"flops": "work ", "roofline": "machine", "stages": "iteration", "generation": "first token"}
    word = told.get(name, name if name != "sweep" else "knee")
    assert any(line.startswith(word) for line in alone.splitlines())
    assert not any(line.startswith(word) for line in without.splitlines())


def test_nothing_measured_prints_nothing():
    assert report({}) == report({}, short=True) == ""


def test_bars_are_as_long_as_shares(parts):
    parts["stages"]["stages"] = [stage("a", 0.3), stage("b", 0.1)]
    parts["stages"]["sum_s"] = 0.4
    rows = {
        line.split()[0]: line
        for line in report({"stages": parts["stages"]}).splitlines()
        if "%" in line and "█" in line
    }
    assert (rows["a"].count("█"), rows["b"].count("█")) == (18, 6)  # of 24
    assert "75 %" in rows["a"]
    assert "25 %" in rows["b"]


def test_host_time_is_shown_where_the_device_works_by_itself(parts):
    assert "host ms" not in report({"stages": parts["stages"]})
    parts["stages"]["stages"][0]["host_s"] = 0.0005
    shown = report({"stages": parts["stages"]})
    assert "host ms" in shown
    assert "0.500" in shown


@pytest.mark.parametrize(("ratio", "words"), [(1.04, None), (1.2, "recording slows this model"), (0.9, "uneven")])
def test_a_sum_that_is_off_is_said_in_words(parts, ratio, words):
    parts["stages"]["sum_to_plain"] = ratio
    shown = " ".join(report({"stages": parts["stages"]}).split())
    assert f"stages sum to {100 * ratio:.0f} % of that" in shown
    assert ("read shares, not milliseconds" in shown) == (words is not None)
    assert words is None or words in shown


def test_timings_that_never_settled_are_said(parts):
    parts["latency"]["warm_up"][0]["steady"] = False
    assert "unsteady timings had not settled after the warm-up of: latency" in lines(report(parts))


def test_a_complete_count_of_work_is_not_called_a_lower_bound(parts):
    parts["flops"]["not_counted"] = {}
    text = report({"flops": parts["flops"]})
    assert "at least" not in text
    assert "not counted" not in text
    parts["flops"]["not_counted"] = {f"op{i}": 20 - i for i in range(12)}
    text = " ".join(report({"flops": parts["flops"]}).split())
    assert "op0 (20 calls), op1 (19 calls)" in text
    assert text.endswith("op7 (13 calls), and 4 more, in the record")


@pytest.mark.parametrize("asked", ["roofline", "data"])
def test_energy_that_was_asked_for_and_is_not_counted_here_is_said(parts, asked):
    line = "energy no counter here that can be read"
    assert line in lines(report({asked: parts[asked]}))
    assert "energy" not in report({asked: parts[asked]}, short=True)
    assert "energy" not in report(
        {name: parts[name] for name in parts if name not in ("roofline", "data", "energy", "failures")}
    )
    failed = lines(report({asked: parts[asked], "failures": [{"name": "energy", "reason": "no counter"}]}))
    assert line not in failed
    assert "failed energy: no counter" in failed


def test_a_bound_that_is_not_kept_is_said(parts):
    parts["scenario"] |= {"valid": False, "bound_s": 0.003}
    assert "p99 exceeds its bound of 3.00 ms" in lines(report(parts))


def test_short_form_is_speed_stages_and_memory(parts):
    shown = lines(report(parts, short=True))
    assert "throughput 1,280 samples/s (95 %: 1,275 – 1,285), batch size 64" in shown
    assert "latency p50 4.00 ms · p90 5.00 ms · p99 6.00 ms, batch size 1" in shown
    assert "memory 312.4 MB peak, 1.2 MB of it for a batch of 64 (VmHWM)" in shown
    assert any(line.startswith("encode.image 95 %") for line in shown)
    text = " ".join(shown)
    assert not [word for word in ("FLOP", "energy 10", "scenario", "knee", "first call") if word in text]


def test_names_from_elsewhere_are_neither_markup_nor_control(parts):
    nasty = "[red]x[/red]\x1b[31m\n[/]"
    parts["stages"]["stages"][0]["name"] = nasty
    parts["flops"]["not_counted"] = {nasty: 1}
    parts["energy"]["source"] = parts["model_memory"]["method"] = parts["roofline"]["peak"]["dtype"] = nasty
    parts["sweep"]["points"][1]["failure"] = nasty
    parts["failures"] = [{"name": nasty, "reason": nasty}]
    text = report(parts, width=200)
    assert text.count("[red]x[/red]�[31m�[/]") == 8
    assert "\x1b" not in text


def test_colour_only_where_the_terminal_has_it(parts):
    coloured = report(parts, force_terminal=True, color_system="standard")
    assert "\x1b[33m" in coloured
    assert "\x1b" not in report(parts)


def test_run_and_profile_have_it_in_their_reports(record, tmp_path):
    run = lines(printed(lambda console: print_run(record, tmp_path, console), 300))
    assert sum(line.startswith("model alone") for line in run) == 1
    assert sum(line.startswith("throughput") for line in run) == 1
    assert run[-1] == f"record {tmp_path / 'record.json'}"
    full = lines(printed(lambda console: print_run(record, None, console, full=True), 300))
    assert any(line.startswith("scenario server") for line in full)
    for label in ("model alone", "throughput", "parameters"):
        assert sum(line.startswith(label) for line in full) == 1, label
    fields = record.model_dump(include={"run_id", "created", "task", "dataset", "model", "environment", "settings"})
    passes = record.cost.model_dump(include=set(Passes.model_fields))
    profile = ProfileRecord.model_validate({**fields, "cost": passes})
    shown = lines(printed(lambda console: print_profile(profile, tmp_path, console), 300))
    assert shown[1] == "film · vqa · easy-vqa test, cost alone"
    assert any(line.startswith("scenario server") for line in shown)
    assert shown[-1] == f"record {tmp_path / 'profile.json'}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (duration(8.5e-5), "85.0 µs"),
        (duration(0.9996), "1.00 s"),
        (duration(0.00099999), "1.00 ms"),
        (duration(1234.4), "1,234 s"),
        (duration(0.0), "0 s"),
        (duration(None), "–"),
        (si(6.4e7, "FLOP"), "64.0 MFLOP"),
        (si(999.7), "1.00 k"),
        (si(5e-13, "J"), "0.00 nJ"),
        (digits(9.996), "10.0"),
        (digits(99.96), "100"),
        (digits(1280.4), "1,280"),
        (memory(999), "999 B"),
        (memory(424_692), "425 kB"),
        (memory(2_500_000_000), "2.50 GB"),
        (percent(0.004), "0.4 %"),
        (percent(0.0), "0 %"),
        (percent(0.956), "96 %"),
        (plural(1, "query"), "1 query"),
        (plural(1200, "query"), "1,200 queries"),
        (bar(0.5, 4), "██"),
        (bar(1.5, 4), "████"),
        (bar(0.03125, 4), "▏"),
        (bar(0.5, 4, ascii_only=True), "##"),
        (bar(0.0, 4), ""),
    ],
)
def test_numbers_as_people_read_them(text, expected):
    assert text == expected


@pytest.mark.parametrize(
    ("sizes", "failed", "told"),
    [
        ((1, 8), (), "knee batch size 8: the largest that was tried, so larger ones may be faster"),
        ((1, 8), (64,), "knee batch size 8: no larger one worked"),
        ((8, 64), (), "knee batch size 8: a larger one gains at most 10 %, or no more than chance explains"),
    ],
)
def test_a_knee_is_told_with_what_it_rests_on(sizes, failed, told):
    rate = Estimate(value=100.0, low=90.0, high=110.0, level=0.95, n=10, method="median")
    points = [SweepPoint(batch_size=size, samples_per_s=rate, latency_s=0.1, peak_bytes=None) for size in sizes]
    points += [
        SweepPoint(batch_size=size, samples_per_s=None, latency_s=None, peak_bytes=None, failure="out of memory")
        for size in failed
    ]
    text = report(Passes(sweep=Sweep(points=points, knee=8, tolerance=0.1)))
    assert told in " ".join(text.split())
    assert "90.0 – 110" in text
