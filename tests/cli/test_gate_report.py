"""What a gate tells on a terminal beside its table."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from mmbench.cli.gate_report import print_gate
from mmbench.record.gate import GateReport

EXAMPLE = Path(__file__).parents[1] / "record" / "example_gate.json"
TIMED = json.loads(EXAMPLE.read_text(encoding="utf-8"))["findings"][0]
ANSWERS = {"samples": 64, "differ": 3, "largest": 2.0, "first": "sample 0: 'yes' in base, 'no' in head"}
OTHERS = "head answers otherwise than base on 3 of 64 samples; scores or vectors differ by up to 2; first sample 0: "


@pytest.fixture
def shown(capsys):
    """Lines of the example's report with other values: `shown(weak=True)`."""

    def lines(**given):
        example = json.loads(EXAMPLE.read_text(encoding="utf-8"))
        print_gate(GateReport.model_validate_json(json.dumps(example | given)), Console(width=120))
        return capsys.readouterr().out.splitlines()

    return lines


def test_the_verdict_comes_first_and_where_head_is_slower_after_the_table(shown):
    lines = shown()
    assert lines[0] == "regression throughput +5.1% [+4.2%, +6.0%]"
    assert lines[1] == "film on vqa: head HEAD against base main"
    fuse, load = [" ".join(line.split()) for line in lines if "▲ slower" in line]
    assert fuse == "fuse 1.00 ms 2.00 ms +100.0% [+90.0%, +110.0%] ▲ slower"
    assert load.startswith("start: load ")
    assert not any("data: collate" in line for line in lines)  # nothing of it is slower
    assert "slower: the model (fuse) and the start (load); not found to be slower: the data pipeline" in lines
    assert (
        "change: above zero head costs more, or is worse; 97.5 % intervals over 3 pairs of processes that took turns; "
        "42 s in all"
    ) in lines
    assert "both answer alike on 64 samples; scores or vectors differ by up to 1.3e-06" in lines


def test_answers_that_differ_are_not_called_the_same(shown):
    assert f"{OTHERS}'yes' in base, 'no' in head" in shown(answers=ANSWERS)


def test_what_a_failure_has_told_is_not_told_again(shown):
    assert not any("answers otherwise" in line for line in shown(answers=ANSWERS, findings=[], places=[])[1:])


def test_a_weak_gate_says_that_base_was_not_run(shown):
    lines = shown(weak=True, answers=None, places=[])
    assert "weak: base was stored by another run, so what the machine did meanwhile counts as head's" in lines
    assert any(line.startswith("change: ") and "3 processes of head, without base" in line for line in lines)
    assert "head's answers are those that are stored" in lines


def test_what_is_inconclusive_says_what_may_help(shown):
    told = "next: more pairs (--most-pairs, --time-limit), a quieter machine, or a --budget that this one can hold"
    assert told in shown(verdict="inconclusive", findings=[{**TIMED, "verdict": "inconclusive"}])
    assert told not in shown()


def test_more_pairs_are_no_advice_where_nothing_is_timed(shown):
    exact = {**TIMED, "metric": "flops", "verdict": "inconclusive", "base_s": None, "head_s": None}
    lines = shown(verdict="inconclusive", findings=[TIMED, exact])
    assert not any(line.startswith("next: ") for line in lines)


def test_a_reason_that_is_not_the_verdicts_is_told_too(shown):
    borne = {**TIMED, "metric": "memory", "verdict": "pass", "reason": "planted: it is borne"}
    assert "memory (pass): planted: it is borne" in shown(findings=[TIMED, borne])


def test_a_model_without_stages_is_told_how_to_mark_them(shown):
    place = {"name": "other", "group": "model", "base_s": 0.001, "head_s": 0.002, "change": None, "slower": True}
    assert "mark parts of the model by `with mmbench.stage(NAME):` to see which" in shown(places=[place])
