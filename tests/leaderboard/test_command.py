import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mmbench.cli.leaderboard import Format, leaderboard
from mmbench.errors import HarnessError, UsageError
from mmbench.leaderboard.formats import FORMATS

app = typer.Typer()
app.command()(leaderboard)


def run(*arguments):
    """Output of the verb; its errors are raised."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def models(text):
    return [row["model"] for table in json.loads(text)["tables"] for row in table["rows"]]


@pytest.fixture
def results(save, make, metric_of):
    save(
        make("film", 0.99, day=1),
        make("film", 0.90, day=0),
        make("concat", 0.95, macro_f1=metric_of(0.7)),
        make("majority", 0.3, dataset={"split": "val"}),
    )


def test_options_are_the_formats():
    assert [str(each) for each in Format] == list(FORMATS)


def test_prints_tables_of_the_default_folder(results):
    text = run()
    assert "vqa on easy-vqa (revision 1.0), test split, 9,673 samples" in text
    assert text.index("film") < text.index("concat")
    assert "0.9000" not in text


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "rich"])
def test_prints_each_format(results, name):
    text = run("--format", name)
    assert all(model in text for model in ("film", "concat", "majority"))


def test_filters_sorting_and_all(results):
    assert models(run("--json")) == ["film", "concat", "majority"]
    assert models(run("--json", "--split", "test", "--all")) == ["film", "concat", "film"]
    assert models(run("results", "--json", "--model", "fi*", "--model", "maj*", "--task", "vqa")) == [
        "film",
        "majority",
    ]
    assert models(run("--json", "--split", "test", "--sort", "macro_f1")) == ["concat", "film"]
    assert '"accuracy"' not in run("--json", "--model", "concat", "--metric", "macro_f1", "--sort", "macro_f1").replace(
        '"main_metric": "accuracy"', ""
    )


def test_no_absolute_path_is_printed(results, tmp_path):
    for name in FORMATS:
        assert str(tmp_path) not in run(str(tmp_path), "--format", name)


def test_writes_a_file_whole(results):
    Path("out").mkdir()
    for name in FORMATS:
        run("--format", name, "--output", f"out/{name}")
        written, printed = Path(f"out/{name}").read_text(encoding="utf-8"), run("--format", name)
        assert written.splitlines() == [line.rstrip() for line in printed.splitlines()]
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(FORMATS)


def test_an_output_that_cannot_be_written_is_one_line(results):
    with pytest.raises(HarnessError, match=r"^cannot write nowhere/table.md: No such file or directory$"):
        run("--format", "markdown", "--output", "nowhere/table.md")
    Path("folder").mkdir()
    with pytest.raises(HarnessError, match=r"^cannot write folder: Is a directory$"):
        run("--output", "folder")
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


def test_no_records_says_where_it_looked_and_what_to_run(save):
    save()
    with pytest.raises(UsageError, match="no run records in results; make one with `mmbench eval`"):
        run()
    Path("empty").mkdir()
    with pytest.raises(UsageError, match="no run records in empty; "):
        run("empty")
    with pytest.raises(UsageError, match="resluts does not exist"):
        run("resluts")


def test_unknown_names_give_the_nearest(results):
    for option, name, near in (
        ("--sort", "acuracy", "accuracy"),
        ("--metric", "macro_f", "macro_f1"),
        ("--model", "flim", "film"),
        ("--split", "tset", "test"),
    ):
        with pytest.raises(UsageError, match=f"{name}.*did you mean '{near}'"):
            run(option, name)
    with pytest.raises(UsageError, match="--json and --format csv exclude each other"):
        run("--json", "--format", "csv")
