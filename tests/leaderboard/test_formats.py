"""Each format is read back by a reader of that format."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from mmbench.leaderboard.cells import number, sheet, size
from mmbench.leaderboard.formats import FORMATS
from mmbench.leaderboard.table import build_tables
from mmbench.leaderboard.terminal import show

NASTY = [
    "<script>alert('&')</script>",
    "org/film|x_y_*z*",
    r"50% & $1 #2 {a} ~^\n",
    "[red]bold[/red] [link](u) `c`",
    '"quoted", =1+1',
    "__init__",
]


@pytest.fixture
def tables(make, metric_of):
    records = [make(name, 0.9 - i / 20, 0.85 - i / 20, 0.95 - i / 20) for i, name in enumerate(NASTY)]
    records += [
        make(
            "none",
            None,
            macro_f1=metric_of(0.5),
            cost={"memory": {"peak_bytes": None, "method": "none"}},
        ),
        make("film", 0.9978, 0.9967, 0.9986, dataset={"split": "val", "limit": 20, "n": 20}),
    ]
    return build_tables(records)


class Cells(HTMLParser):
    """Rows of text by table, and every tag."""

    def __init__(self):
        super().__init__()
        self.tables, self.tags, self.inside = [], set(), False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.tables[-1][-1][-1] += data


def html_rows(text):
    reader = Cells()
    reader.feed(text)
    reader.close()
    return reader


def check_people_rows(rows):
    """What every format for people must hold."""
    header = ["rank", "model", "accuracy", "macro_f1", "samples/s", "front", "parameters", "peak memory", "date"]
    assert rows[0] == header
    assert [row[1] for row in rows[1:]] == [*NASTY, "none"]
    cost = ["123,456", "312.4 MB", "2026-11-23"]
    assert rows[1] == ["1", NASTY[0], "0.9000 [0.8500, 0.9500]", "–", "1,280.0", "★", *cost]
    assert [row[5] for row in rows[2:]] == [""] * len(NASTY)  # as fast, and worse, or without a value
    assert rows[-1] == ["7", "none", "–", "0.5000", "1,280.0", "", "123,456", "–", "2026-11-23"]


def test_html_escapes_and_reads_back(tables):
    reader = html_rows(FORMATS["html"](tables))
    check_people_rows(reader.tables[0])
    assert len(reader.tables) == 2
    assert "script" not in reader.tags


def test_markdown_reads_back(tables):
    text = FORMATS["markdown"](tables)
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    reader = html_rows(rendered)
    check_people_rows(reader.tables[0])
    assert len(reader.tables) == 2
    assert not reader.tags & {"script", "em", "a", "code"}
    assert "<strong>0.9000</strong> [0.8500, 0.9500]" in rendered


def test_latex_reads_back(tables):
    text = FORMATS["latex"](tables)
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 2
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0].replace("\\midrule\n", "").strip()
    check_people_rows([[latex_text(cell) for cell in re.split(r"(?<!\\) & ", line[:-3])] for line in body.splitlines()])
    assert r"\textbf{0.9000} [0.8500, 0.9500]" in text
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", text).group(1)
    assert columns == "rlrrrlrrl"


def latex_text(cell):
    cell = cell.strip().replace(r"$\star$", "★")
    cell = re.sub(r"\\textbf\{([^}]*)\}", r"\1", cell)
    names = {"backslash": "\\", "asciitilde": "~", "asciicircum": "^", "less": "<", "greater": ">", "bar": "|"}
    names["quotedbl"] = '"'
    assert not re.search(r"(?<!\\)[&%$#_~^]", cell)
    cell = re.sub(r"\\text(\w+)\{\}|\\([&%$#_{}])", lambda m: names[m[1]] if m[1] else m[2], cell)
    return "–" if cell == "--" else cell


def test_csv_reads_back(tables):
    text = FORMATS["csv"](tables)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["model"] for row in rows] == [*NASTY, "none", "film"]
    assert rows[0] | {"created": ""} == rows[0] | {
        "created": "",
        "peak_bytes": "312400000",
        "limit": "",
        "rank": "1",
        "pareto": "True",
    }
    assert [row["pareto"] for row in rows[1:]] == ["False"] * (len(NASTY) - 1) + ["", "True"]
    assert rows[-1]["limit"] == "20"
    frame = pd.read_csv(io.StringIO(text))
    film = frame.iloc[-1]
    assert (film["accuracy"], film["accuracy_low"], film["accuracy_high"]) == (0.9978, 0.9967, 0.9986)
    assert pd.isna(frame.iloc[-2]["accuracy"])
    assert pd.isna(frame.iloc[-2]["peak_bytes"])


def test_json_reads_back(tables):
    data = json.loads(FORMATS["json"](tables))
    first, second = data["tables"]
    assert [row["model"] for row in first["rows"]] == [*NASTY, "none"]
    assert {key: second[key] for key in second if key != "rows"} == {
        "task": "vqa",
        "dataset": "easy-vqa",
        "revision": "1.0",
        "split": "val",
        "n": 20,
        "limit": 20,
        "protocol": "",
        "alteration": "",
        "main_metric": "accuracy",
        "sort": "accuracy",
        "speed": "model_samples_per_s",
    }
    assert [row["pareto"] for row in first["rows"]] == [True] + [False] * (len(NASTY) - 1) + [None]
    (row,) = second["rows"]
    assert row["metrics"]["accuracy"] == {
        "value": 0.9978,
        "low": 0.9967,
        "high": 0.9986,
        "level": 0.95,
        "n": 100,
        "method": "wilson",
        "higher_is_better": True,
    }
    assert (row["rank"], row["created"], row["peak_bytes"]) == (1, "2026-11-23T09:30:00Z", 312400000)
    assert set(row) == {
        *("rank", "model", "run_id", "created", "metrics"),
        *("parameters", "samples_per_s", "model_samples_per_s", "pareto", "peak_bytes", "failures"),
    }


def test_terminal_shows_every_column_and_no_markup(tables):
    text = FORMATS["rich"](tables)
    for name in NASTY:
        assert name in text
    for header in ("accuracy", "macro f1", "samples/s", "front", "parameters", "peak memory", "date"):
        assert header in text
    assert "0.9000 [0.8500, 0.9500]" in text
    assert "\x1b" not in text


def test_terminal_marks_the_best_value(tables):
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system="standard", _environ={})
    show([sheet(table) for table in tables], console)
    assert console.file.getvalue().count("\x1b[1;32m") == 1  # 0.9000; a single value or a single row is no contest


@pytest.mark.parametrize("width", [80, 60])
def test_a_narrow_terminal_leaves_out_columns_and_says_so(make, metric_of, width):
    scores = {name: metric_of(0.9, 0.8, 1.0) for name in ("macro_f1", "mean_class_recall")}
    tables = build_tables([make("cross-attention", 0.9, 0.8, 1.0, **scores), make("film", 0.95, 0.9, 1.0, **scores)])
    console = Console(file=io.StringIO(), width=width)
    show([sheet(table) for table in tables], console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "Left out for width: " in "\n".join(lines)
    text = "\n".join(lines)
    for whole in ("cross-attention", "0.9500", "[0.8000, 1.0000]", "recall"):
        assert whole in text


@pytest.mark.parametrize("name", ["rich", "markdown", "html", "latex"])
def test_control_characters_do_not_reach_the_reader(make, name):
    text = FORMATS[name](build_tables([make("a\x1b[31m\nb\u202ec")]))
    assert "\x1b" not in text
    assert "a�[31m�b�c" in text.replace(r"\[", "[")


def test_failures_appear_only_where_there_are_some(make):
    record = make()
    failed = record.model_copy(update={"failures": [{"id": "q", "stage": "decode", "reason": "corrupt"}]})
    assert "failures" not in FORMATS["markdown"](build_tables([record]))
    assert "| 1 | film | 0.9000 | 1,280.0 | 123,456 | 312.4 MB | 1 | 2026-11-23 |" in FORMATS["markdown"](
        build_tables([failed])
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0.99782, "0.9978"), (0, "0.0000"), (12.345, "12.35"), (1234.56, "1,234.6"), (None, "–")]
)
def test_numbers(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("count", "text"), [(312_400_000, "312.4 MB"), (2_500_000_000, "2.50 GB"), (None, "–")])
def test_sizes(count, text):
    assert size(count) == text
