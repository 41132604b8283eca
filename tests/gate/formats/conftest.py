"""Reports of gates, one of each kind that a reader may meet."""

from datetime import UTC, datetime

import pytest

from mmbench.record.gate import (
    Answers,
    Change,
    Finding,
    Floor,
    GateReport,
    Place,
    SideInfo,
    Verdict,
)
from mmbench.record.schema import Environment

NASTY = "<b>|`x`|</b> *a* _b_ [c](d) & \"q\" \\ 'r' @all,\x00\x1b[31m\ufffe\r\nnext line"
BATCH = 64


def change(value, low=None, high=None, *, level: float | None = 0.95, pairs=3, blocks=12):
    exact = low is None
    return Change(
        value=value,
        low=value if exact else low,
        high=value if exact else high,
        level=None if exact else level,
        method="exact" if exact else "bootstrap",
        pairs=1 if exact else pairs,
        blocks=0 if exact else blocks,
    )


def seconds(typical):
    """Three pairs of four blocks each, that vary about what is typical."""
    return [[typical * (1 + (block - 1.5) / 100 + pair / 200) for block in range(4)] for pair in range(3)]


def timed(metric, base_s, found, verdict, *, budget=0.03, reason=None):
    """A timing of which head's raw times follow the change."""
    head_s = base_s * (1 + found.value)
    per_s = metric == "throughput"
    return Finding(
        metric=metric,
        unit="samples/s" if per_s else "s/batch" if metric == "data" else "s",
        higher_is_better=per_s,
        base=BATCH / base_s if per_s else base_s,
        head=BATCH / head_s if per_s else head_s,
        change=found,
        budget=budget,
        verdict=verdict,
        reason=reason,
        base_s=seconds(base_s),
        head_s=seconds(head_s),
    )


def exact(metric, unit, base, head, verdict, *, budget=0.0, reason=None):
    known = base is not None and head is not None
    return Finding(
        metric=metric,
        unit=unit,
        higher_is_better=False,
        base=base,
        head=head,
        change=change(head / base - 1) if known else None,
        budget=budget,
        verdict=verdict,
        reason=reason,
    )


def quality(metric, base, head, found, verdict, *, higher_is_better=True, budget=0.005):
    return Finding(
        metric=metric,
        unit="",
        higher_is_better=higher_is_better,
        base=base,
        head=head,
        change=found,
        budget=budget,
        verdict=verdict,
        reason=None,
    )


def place(name, group, base_s, head_s, found=None, *, slower=False):
    return Place(name=name, group=group, base_s=base_s, head_s=head_s, change=found, slower=slower)


PLACES = [
    place("encode.image", "model", 0.004, 0.0041, change(0.025, -0.01, 0.06)),
    place("fuse", "model", 0.001, 0.002, change(1.0, 0.9, 1.1), slower=True),
    place("collate", "data", 0.0005, 0.0005, change(0.0, -0.02, 0.02)),
    place("load", "start", 0.8, 1.4, change(0.75, 0.6, 0.9), slower=True),
    place("warm-up", "start", 0.2, 0.2),
]
FLOOR = Floor(
    runner="0123456789abcdef",
    workload="fedcba9876543210",
    created=datetime(2026, 11, 20, tzinfo=UTC),
    pairs=12,
    most_pairs=6,
    floors={"throughput": 0.012, "latency": 0.02},
)
RAN = {"task": "vqa", "dataset": "easy-vqa", "revision": "1.0", "split": "test", "samples": 512, "batch_size": BATCH}
ALIKE = Answers(samples=BATCH, differ=0, largest=1.25e-6, first=None)
PASSED = timed("throughput", 0.02, change(0.004, -0.002, 0.01), Verdict.PASS)
SLOWER = timed("throughput", 0.02, change(0.051, 0.042, 0.06, level=0.975), Verdict.REGRESSION)


def make(verdict, reason, findings, **more):
    """A report; what is not given is as in an ordinary gate."""
    return GateReport.model_validate(
        {
            "run_id": "20261126T234000Z-1a2b3c",
            "created": datetime(2026, 11, 26, 23, 40, tzinfo=UTC),
            "verdict": verdict,
            "reason": reason,
            "base": SideInfo(
                label="main",
                commit="0" * 40,
                dirty=False,
                versions={"mmbench": "0.1.0", "torch": "2.13.0"},
                answers="a" * 64,
            ),
            "head": SideInfo(
                label="HEAD",
                commit="1" * 40,
                dirty=True,
                versions={"mmbench": "0.1.0", "torch": "2.14.0"},
                answers="a" * 64,
            ),
            "workload": {"model": "film", "task": "vqa", "dataset": "easy-vqa", "split": None, "batch_size": BATCH},
            "ran": RAN,
            "findings": findings,
            "places": [],
            "answers": ALIKE,
            "floor": None,
            "seconds": 41.5,
            "environment": Environment(
                versions={"python": "3.11.7", "mmbench": "0.1.0", "torch": "2.13.0"},
                os="Linux 6.1 x86_64",
                cpu="Example CPU",
                logical_cores=2,
                memory_bytes=8_000_000_000,
                accelerators=[],
                git=None,
                threads=1,
            ),
            "settings": {"pairs": 3, "level": 0.95},
            **more,
        }
    )


def _nasty():
    finding = timed("throughput", 0.02, change(0.2, -0.1, 0.5), Verdict.INCONCLUSIVE, reason=NASTY)
    side = SideInfo(label=NASTY, commit=NASTY, dirty=True, versions={NASTY: NASTY}, answers=NASTY)
    return make(
        Verdict.INCONCLUSIVE,
        NASTY,
        [finding, finding.model_copy(update={"metric": NASTY, "unit": NASTY})],
        base=side,
        head=side,
        workload={"model": NASTY, "task": NASTY},
        ran={NASTY: NASTY},
        places=[place(NASTY, "model", 0.1, 0.2, change(1.0, 0.9, 1.1), slower=True), place(NASTY, "data", 0.1, 0.1)],
        answers=Answers(samples=2, differ=1, largest=None, first=NASTY),
        floor=FLOOR.model_copy(update={"floors": {NASTY: 0.1}}),
    )


def _reports():
    latency = timed("latency", 0.004, change(-0.1, -0.12, -0.08), Verdict.IMPROVEMENT)
    memory = exact("memory", "bytes", 120e6, 121e6, Verdict.PASS, budget=0.02)
    parameters = exact("parameters", "parameters", 106_173, 106_174, Verdict.REGRESSION)
    unknown = exact("flops", "FLOP/sample", None, None, Verdict.INCONCLUSIVE, reason="base cannot tell")
    return {
        "pass": make("pass", "throughput +0.4% [-0.2%, +1.0%]", [PASSED], places=PLACES[:1], floor=FLOOR),
        "regression": make(
            "regression",
            "throughput +5.1% [+4.2%, +6.0%]",
            [
                SLOWER,
                latency,
                timed("data", 0.001, change(0.0, -0.01, 0.01), Verdict.PASS),
                memory,
                quality("accuracy", 0.9, 0.898, change(0.002, -0.001, 0.005), Verdict.PASS),
            ],
            places=PLACES,
            floor=FLOOR,
        ),
        "improvement": make("improvement", "latency -10.0% [-12.0%, -8.0%]", [PASSED, latency]),
        "inconclusive": make(
            "inconclusive",
            "throughput +2.5% [+1.0%, +4.0%]: the interval straddles the budget; flops: base cannot tell",
            [
                timed(
                    "throughput",
                    0.02,
                    change(0.025, 0.01, 0.04),
                    Verdict.INCONCLUSIVE,
                    reason="the interval straddles the budget",
                ),
                unknown,
            ],
        ),
        "failure": make(
            "failure",
            "answers otherwise than base to 2 of 64 samples (sample 3: 'yes' in base, 'no' in head)",
            [],
            answers=Answers(samples=BATCH, differ=2, largest=0.5, first="sample 3: 'yes' in base, 'no' in head"),
        ),
        "crash": make("failure", "ended with signal SIGSEGV", [], answers=None),
        "weak": make("pass", "throughput +0.4% [-0.2%, +1.0%]", [PASSED], weak=True),
        "floor": make(
            "inconclusive",
            "throughput +0.4% [-0.2%, +1.0%]: the noise floor of this runner, 1.2%, exceeds the budget, 1.0%",
            [
                timed(
                    "throughput",
                    0.02,
                    change(0.004, -0.002, 0.01),
                    Verdict.INCONCLUSIVE,
                    budget=0.01,
                    reason="the noise floor of this runner, 1.2%, exceeds the budget, 1.0%",
                )
            ],
            floor=FLOOR,
        ),
        "quality": make(
            "regression",
            "wer +0.0200 [+0.0100, +0.0300]",
            [
                quality("accuracy", 0.9, 0.91, change(-0.01, -0.015, -0.006), Verdict.IMPROVEMENT),
                quality("wer", 0.1, 0.12, change(0.02, 0.01, 0.03), Verdict.REGRESSION, higher_is_better=False),
                quality("exact_match", 0.5, 0.5, change(0.0), Verdict.PASS),
            ],
        ),
        "exact": make("regression", "parameters +0.0%", [memory, parameters, unknown]),
        "nasty": _nasty(),
    }


REPORTS = _reports()


@pytest.fixture
def reports() -> dict[str, GateReport]:
    """Reports by what they are examples of."""
    return dict(REPORTS)


@pytest.fixture(params=REPORTS)
def report(request: pytest.FixtureRequest) -> GateReport:
    """Every report in turn."""
    return REPORTS[request.param]


@pytest.fixture
def nasty() -> str:
    """What may break markup, and stands everywhere in the nasty report."""
    return NASTY
