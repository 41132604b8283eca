"""`mmbench compare` as a command: every format read back, refusals, figures."""

import csv
import io
import json
import re
from pathlib import Path
from statistics import mean
from xml.etree import ElementTree

import pytest

from mmbench.cli import main
from mmbench.leaderboard.formats import COMPARISON_FORMATS, FORMATS
from mmbench.metrics.accuracy import Accuracy
from mmbench.stats.seeds import over_seeds

CONCAT = [1, 0] * 20
FILM = [1] * 39 + [0]
TEXT = [1, 0, 0, 0] * 10


@pytest.fixture
def runs(stored):
    return [
        stored("concat", CONCAT, low=0.4, high=0.6),
        stored("film", FILM, cost={"flops": None, "latency": None, "model_throughput": None}),
        stored("text-only", TEXT, reads=("text",)),
        stored("given", TEXT, seed=None, reads=None, record={"cost": None}),
    ]


@pytest.fixture
def compare(capsys):
    def run(*arguments, code=0):
        assert main(["compare", *map(str, arguments)]) == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return run


def pipes(text):
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def test_formats_are_those_of_leaderboards():
    assert list(COMPARISON_FORMATS) == list(FORMATS)


def test_markdown_has_every_column(compare, runs):
    text = compare(*runs, "--format", "markdown")
    film, concat, given, text_only = pipes(text)
    assert [row["model"] for row in (film, concat, given, text_only)] == ["film", "concat", "given", "text-only"]
    assert concat["minus concat"] == "baseline"
    assert concat["accuracy"] == "0.5000 [0.4000, 0.6000]"
    assert film["accuracy"].startswith("**0.9750**")
    assert re.fullmatch(r"\+0\.4750(\\\*){3} \[\+0\.\d{4}, \+0\.\d{4}\]", film["minus concat"])
    assert film["p (Holm)"] == r"\<0.001"
    assert re.fullmatch(r"\+0\.7250 \[\+0\.\d{4}, \+0\.\d{4}\]", film["gain over one modality"])
    assert [row["gain over one modality"] for row in (text_only, given)] == ["–", "–"]
    assert [row["reads"] for row in (film, text_only, given)] == ["image + text", "text", "–"]
    assert (concat["FLOPs/sample"], concat["latency p50"]) == ("1.00 M", "4.00 ms")
    for column in ("FLOPs/sample", "latency p50"):
        assert film[column] == "–"
    assert [given[column] for column in ("parameters", "samples/s", "peak memory")] == ["123,456", "–", "–"]
    assert "gain over one modality: paired difference to text-only" in text
    assert "corrected for 3 comparisons (Holm 1979): every row but the baseline counts, floors too." in text
    assert "Trainings are taken as they are: the test does not cover what another seed would give." in text
    assert "The records of given do not tell what the model reads" in text


def test_a_model_without_modalities_is_shown_as_such(compare, stored):
    rows = pipes(compare(stored("film", FILM), stored("majority", TEXT, reads=()), "--format", "markdown"))
    assert [row["reads"] for row in rows] == ["image + text", "nothing"]


def test_without_a_single_modality_the_column_is_left_out_and_told(compare, stored):
    text = compare(stored("film", FILM), stored("concat", CONCAT), "--format", "markdown")
    assert "gain over one modality" not in pipes(text)[0]
    assert "No row is known to read exactly one modality; add one" in text


def test_records_that_do_not_tell_what_is_read_have_no_such_column(compare, stored):
    text = compare(stored("film", FILM, reads=None), stored("concat", CONCAT, reads=None), "--format", "markdown")
    assert "reads" not in pipes(text)[0]
    assert "The records do not tell what the model reads" in text


def test_json_is_unrounded(compare, runs):
    data = json.loads(compare(*runs, "--json"))
    assert (data["baseline"], data["best_single"], data["metric"]) == ("concat", "text-only", "accuracy")
    film, concat, *_ = data["rows"]
    assert film["difference"]["value"] == mean(FILM) - mean(CONCAT)
    assert film["difference"]["low"] < film["difference"]["value"] < film["difference"]["high"]
    assert film["difference"]["p_value"] <= film["difference"]["p_holm"] < 0.001
    assert film["difference"]["runs"] == [["run-1", "run-0"]]
    assert film["gain"]["value"] == pytest.approx(mean(FILM) - mean(TEXT))
    assert (concat["baseline"], concat["difference"]) == (True, None)
    assert (concat["flops_per_sample"], concat["latency_p50_s"]) == (1e6, 0.004)
    assert (film["flops_per_sample"], film["latency_p50_s"]) == (None, None)


def test_csv_reads_back(compare, runs):
    rows = list(csv.DictReader(io.StringIO(compare(*runs, "--format", "csv"))))
    assert [row["model"] for row in rows] == ["film", "concat", "given", "text-only"]
    assert float(rows[0]["difference"]) == mean(FILM) - mean(CONCAT)
    assert [row["difference"] for row in rows][1] == ""
    assert rows[0]["reads"] == "image + text"
    assert rows[2]["gain"] == ""


def test_latex_has_the_best_bold_and_stars(compare, runs, tmp_path):
    compare(*runs, "--format", "latex", "--output", tmp_path / "table.tex")
    text = (tmp_path / "table.tex").read_text(encoding="utf-8")
    assert r"film & image + text & \textbf{0.9750} & +0.4750\textsuperscript{***} [" in text
    assert r"Stars: * p \textless{} .05, ** p \textless{} .01, *** p \textless{} .001." in text


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("t.md", "### "),
        ("t.CSV", "task,dataset,"),
        ("t.json", "{"),
        ("t.html", "<!doctype html>"),
        ("t.tex", "% needs "),
        ("t", "vqa on "),
    ],
)
def test_the_suffix_of_the_file_tells_the_format(compare, runs, tmp_path, name, start):
    compare(*runs, "--output", tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    compare(*runs, "--output", tmp_path / name, "--format", "csv")
    assert (tmp_path / name).read_text(encoding="utf-8").startswith("task,dataset,")


def test_latex_keeps_notes_out_of_the_caption(compare, runs):
    text = compare(*runs, "--format", "latex")
    (caption,) = [line for line in text.splitlines() if line.startswith(r"\caption")]
    assert caption == r"\caption{vqa on easy-vqa (revision 1.0), test split, 40 samples.}"
    below = text[text.index(r"\end{tabular}") :]
    assert "paired randomization test" in below
    assert below.count(r"\footnotesize") == below.count(r"\par\smallskip") > 2


def test_next_is_why_the_best_is_the_best(compare, runs, stored, tmp_path, monkeypatch):
    assert compare(*runs).splitlines()[-1] == ("next: mmbench diagnose --model film --task vqa --dataset easy-vqa")
    own = {"sha256": "0" * 64, "source": "weights/my own.safetensors"}
    best = stored("sum", [1] * 40, model_info={"weights": own})
    monkeypatch.chdir(tmp_path)
    assert "next:" not in compare(*runs, best)  # where the file is not
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "my own.safetensors").touch()
    assert compare(*runs, best).splitlines()[-1] == (
        "next: mmbench diagnose --model sum --task vqa --dataset easy-vqa --weights 'weights/my own.safetensors'"
    )
    floor = stored("constant", [1] * 40, seed=None, model_info={"weights": None})
    assert "next:" not in compare(*runs, floor)


def test_runs_of_different_code_are_averaged_and_it_is_told(compare, stored, make):
    environment = make().environment
    other = environment.model_copy(update={"versions": environment.versions | {"torch": "1.0"}})
    runs = [stored("film", FILM, seed=seed) for seed in (0, 1)] + [stored("concat", CONCAT, seed=0)]
    assert "different commits" not in compare(*runs)
    changed = stored("concat", CONCAT, seed=1, record={"environment": other})
    told = "Runs of concat were evaluated at different commits or versions of mmbench or torch"
    assert told in " ".join(compare(*runs, changed).split())


def test_html_raises_the_stars(compare, runs):
    assert '+0.4750<sup>***</sup> <span class="i">[' in compare(*runs, "--format", "html")


def test_over_seeds_there_are_a_mean_and_a_deviation(compare, stored):
    film = [FILM, CONCAT, [1] * 40]
    runs = [stored(name, answers, seed=seed) for name in ("concat", "film") for seed, answers in enumerate(film)]
    row = pipes(compare(*runs, "--format", "markdown"))[0]
    expected = over_seeds([mean(answers) for answers in film], least=0.0, most=1.0)
    assert (row["seeds"], row["sd"]) == ("3", f"{expected.deviation:.4f}")
    assert row["accuracy"].strip("*") == f"{expected.mean:.4f} [{expected.low:.4f}, {expected.high:.4f}]"


def test_unscored_samples_and_other_seeds_are_told(compare, stored):
    runs = [stored("concat", CONCAT, seed=seed) for seed in (0, 1)]
    runs += [stored("film", [None, *FILM[1:]], seed=seed) for seed in (1, 2)]
    text = compare(*runs, "--format", "markdown")
    assert "film against concat: by the seeds that all have (1)." in text
    assert "film against concat: without 1 sample that was not scored in one of the runs." in text


def test_many_comparisons_tell_the_least_p(compare, stored):
    runs = [stored(f"model-{number}", FILM) for number in range(12)]
    text = compare(stored("concat", CONCAT), *runs, "--format", "markdown")
    assert r"9,999 random swaps cannot give a p below 0.001" in text


def test_the_terminal_says_no_control_characters(compare, stored):
    text = compare(stored("a\x1b[31m", FILM), stored("b", CONCAT))
    assert "\x1b" not in text
    assert "minus a�[31m" in text


PARTS = {"question_type": {"a": 0.9, "b": 0.4}, "speaker": {"only": 0.7}}


def broken_down(metric_of, shift):
    from mmbench.record.schema import MetricValue

    return {
        key: {
            value: {"accuracy": MetricValue.model_validate(metric_of(number - shift, number - 0.1, number))}
            for value, number in values.items()
        }
        for key, values in PARTS.items()
    }


def test_figure_has_the_front_and_each_breakdown_of_several_values(compare, stored, metric_of, tmp_path):
    runs = [
        stored(name, answers, record={"breakdowns": broken_down(metric_of, shift)})
        for name, answers, shift in (("film", FILM, 0.0), ("concat", CONCAT, 0.05))
    ]
    path = tmp_path / "figure.svg"
    compare(*runs, "--plot", path)
    text = path.read_text(encoding="utf-8")
    for shown in ("Pareto front", "samples/s of the model alone", "accuracy by question_type", "film", "concat", "a"):
        assert f"<!-- {shown} -->" in text
    assert "speaker" not in text
    axes = [element for element in ElementTree.fromstring(text).iter() if element.get("id", "").startswith("axes_")]  # noqa: S314
    assert len(axes) == 2
    compare(*runs, "--plot", tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    data = json.loads(compare(*runs, "--json"))
    assert data["rows"][0]["breakdowns"]["question_type"]["b"]["value"] == 0.4


def test_breakdowns_are_means_over_seeds(compare, stored, metric_of):
    runs = [
        stored("film", FILM, seed=seed, record={"breakdowns": broken_down(metric_of, 0.1 * seed)}) for seed in (0, 1)
    ]
    data = json.loads(compare(*runs, stored("concat", CONCAT), "--json"))
    part = data["rows"][0]["breakdowns"]["question_type"]["a"]
    assert part["value"] == pytest.approx(0.85)
    assert part["method"] == "student-t"


def test_nothing_to_draw_is_told(compare, stored, tmp_path):
    runs = [stored(name, FILM, record={"cost": None}) for name in ("film", "concat")]
    assert "nothing to draw" in compare(*runs, "--plot", tmp_path / "a.svg", code=4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--json", "--format", "csv"], "--json and --format csv exclude each other"),
        (["--members", "film"], "--members goes with --ensemble"),
        (["--plot", "front.pdf"], ".svg or .png"),
        (["--ensemble", "men"], "unknown ensemble 'men'; did you mean 'mean'?"),
        (["--baseline", "flim"], "did you mean 'film'?"),
        (["--metric", "acuracy"], "unknown metric in these records: 'acuracy'; did you mean 'accuracy'?"),
        (["--metric", "wer"], "unknown metric in these records: 'wer'; known: accuracy"),
    ],
)
def test_mistakes_are_refused(compare, stored, arguments, said):
    assert said in compare(stored("film", FILM), stored("concat", CONCAT), *arguments, code=2)


def test_without_runs_it_says_what_to_give(compare):
    assert "give the folders of at least two" in compare(code=2)
    assert "does not exist" in compare(Path("nowhere"), code=2)


def test_where_no_row_reads_several_modalities_there_is_no_gain(compare, stored):
    runs = [stored("text-only", FILM, reads=("text",)), stored("majority", TEXT, reads=())]
    text = compare(*runs, "--format", "markdown")
    assert "gain" not in text


def test_fewer_swaps_than_usual_tell_the_least_p(compare, stored, monkeypatch):
    monkeypatch.setattr(Accuracy, "resamples", 199)
    text = compare(stored("concat", [0] * 40), stored("film", FILM), "--format", "markdown")
    assert "choice of samples (199 resamples), not corrected" in text
    assert "199 random swaps cannot give a p below 0.005 here." in text


def test_seeds_that_agree_have_no_interval_and_it_is_told(compare, stored):
    said = "Seeds that all gave one value (sd 0) tell no spread, so their mean has no interval."
    runs = [stored("film", FILM, seed=seed) for seed in (0, 1)]
    assert said in compare(*runs, stored("concat", CONCAT), "--format", "markdown")
    differ = [stored("sum", answers, seed=seed) for seed, answers in enumerate([FILM, TEXT])]
    assert said not in compare(*differ, stored("concat", CONCAT), "--format", "markdown")
