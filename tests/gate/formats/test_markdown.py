"""Read back by a reader of GitHub's tables."""

import re

import pytest
from markdown_it import MarkdownIt

from mmbench.gate.formats.markdown import LIMIT, to_markdown
from mmbench.record.gate import GateReport, Place


def tokens(text):
    return MarkdownIt("commonmark").enable("table").parse(text)


def tables(text):
    """Cells of each table by row, as shown, without the markup of the cell."""
    found = []
    for before, token in zip([None, *tokens(text)], tokens(text), strict=False):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and before.type in ("th_open", "td_open"):
            found[-1][-1].append("".join(child.content for child in token.children))
    return found


def shown(text):
    """All text that a reader sees."""
    return "\n".join(
        "".join(child.content for child in token.children) for token in tokens(text) if token.type == "inline"
    )


def test_the_first_line_is_the_verdict_with_its_reason(report):
    first = shown(to_markdown(report)).splitlines()[0]
    assert first.startswith(f"mmbench gate: {report.verdict.value}. ")
    assert len(first) > len(f"mmbench gate: {report.verdict.value}. ")


def test_findings_are_a_table(reports):
    rows = tables(to_markdown(reports["regression"]))[0]
    assert rows == [
        ["metric", "base", "head", "change", "budget", "verdict"],
        ["throughput", "3,200.0 samples/s", "3,044.7 samples/s", "+5.1% [+4.2%, +6.0%]", "3.0%", "regression"],
        ["latency", "4.00 ms", "3.60 ms", "-10.0% [-12.0%, -8.0%]", "3.0%", "improvement"],
        ["data", "1.00 ms/batch", "1.00 ms/batch", "+0.0% [-1.0%, +1.0%]", "3.0%", "pass"],
        ["memory", "120.0 MB", "121.0 MB", "+0.8%", "2.0%", "pass"],
        ["accuracy", "0.9000", "0.8980", "+0.0020 [-0.0010, +0.0050]", "0.0050", "pass"],
    ]


def test_an_exact_change_is_told_however_small_it_is(reports):
    rows = tables(to_markdown(reports["exact"]))[0]
    assert rows[2] == ["parameters", "106,173", "106,174", "+0.0009%", "0.0%", "regression"]
    assert rows[3] == ["flops", "–", "–", "–", "0.0%", "inconclusive"]
    assert "flops: base cannot tell." in shown(to_markdown(reports["exact"]))


def test_slower_places_stand_open_and_all_others_are_folded(reports):
    text = to_markdown(reports["regression"])
    opened, folded = text.split("<details>")
    assert [row[0] for row in tables(opened)[1][1:]] == ["fuse", "load"]
    assert all(row[-1] == "▲ slower" for row in tables(opened)[1][1:])
    assert [row[:2] for row in tables(folded)[0][1:]] == [
        ["encode.image", "model stage"],
        ["collate", "data step"],
        ["warm-up", "start"],
    ]
    assert "slower" not in shown(folded.split("</summary>")[1])
    assert text.rstrip().endswith("</details>")


def test_it_is_told_when_no_place_is_slower(reports):
    assert "is found to be slower" in to_markdown(reports["pass"])
    assert "<details>" not in to_markdown(reports["improvement"])  # it has no places


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("regression", "Both answer alike on 64 samples; scores or vectors differ by up to 1.3e-06."),
        ("regression", "Base: main (commit 0000000000)."),
        ("regression", "Head: HEAD (commit 1111111111, with changes that are not committed)."),
        ("regression", "Versions differ (base and head): torch 2.13.0 and 2.14.0."),
        ("regression", "Both ran film on vqa (easy-vqa, batch 64)."),
        ("regression", "Measured for 41.5 s, 3 pairs of processes that took turns."),
        ("regression", "Noise floor of this runner (12 pairs, 2026-11-20): throughput 1.2%, latency 2.0%."),
        ("regression", "In brackets: 95% or 97.5% intervals. A change without one is exact."),
        ("regression", "Of a quality it is the plain difference."),
        ("improvement", "The noise floor of this runner is not known: it was not calibrated."),
        (
            "failure",
            "than base on 2 of 64 samples; scores or vectors differ by up to 0.5; first sample 3: 'yes'",
        ),
        ("crash", "Answers were not compared."),
        ("crash", "Measured for 41.5 s."),
        ("weak", "Weak: base was stored by another run, so drift of the machine counts as head's."),
        ("weak", "Head's answers are those that are stored."),
        ("weak", "Measured for 41.5 s, 3 processes of head, without base."),
    ],
)
def test_it_tells(reports, name, text):
    assert text in shown(to_markdown(reports[name]))


def test_only_a_weak_gate_is_called_weak(report):
    assert ("Weak" in to_markdown(report)) is report.weak


def test_no_text_becomes_markup(reports, nasty):
    text = to_markdown(reports["nasty"])
    html = re.findall(r"</?\w+>", "".join(token.content for token in tokens(text) if token.type == "html_block"))
    assert html == ["<details>", "<summary>", "</summary>", "</details>"]
    inline = [child.type for token in tokens(text) for child in token.children or ()]
    assert set(inline) <= {"text", "text_special", "softbreak", "strong_open", "strong_close"}
    assert [len(row) for row in tables(text)[0]] == [6, 6, 6]
    assert "<b>|`x`|</b> *a* _b_ [c](d) & \"q\" \\ 'r' @" in shown(text)
    assert not re.search(r"@\w", text)  # nobody is called
    assert "next line" not in text.splitlines()


def test_what_does_not_fit_is_left_out_and_named(reports):
    many = [
        Place(name=f"stage {i}" * 9, group="model", base_s=1, head_s=1, change=None, slower=False) for i in range(9_999)
    ]
    report = reports["regression"].model_copy(update={"places": many})
    text = to_markdown(report)
    assert len(text.encode()) <= LIMIT
    assert len(tables(text)[0]) == 1 + len(report.findings)
    assert text.endswith("Left out for length: the other places.\n")


def test_the_verdict_stays_whatever_its_length(reports):
    data = reports["failure"].model_dump() | {"reason": "*" * 2_000_000, "base": reports["nasty"].base}
    text = to_markdown(GateReport.model_validate(data))
    assert text.startswith("**mmbench gate: failure.** ")
    assert len(text.encode()) <= LIMIT
