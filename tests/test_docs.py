"""The documents do what they say: commands exist, recipes run as written, tables are what the verb prints."""

import os
import re
import shlex
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest
import typer

from mmbench.cli import app
from mmbench.registry import KINDS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "*/README.md", "tasks/*/README.md")
    for path in ROOT.glob(pattern)
)
MAIN = "python3 -m venv .venv && . .venv/bin/activate && pip install . && mmbench eval --model film --task vqa"
TESTS = "python3 -m venv .venv && . .venv/bin/activate && pip install '.[test]' && pytest"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def project() -> dict:
    return tomllib.loads(read("pyproject.toml"))["project"]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """In bash as a reader would, with this environment's commands first."""
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={**environment, "PATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


# --- commands ---------------------------------------------------------------------------------------------------------


def test_first_screen_of_the_readme_has_both_commands() -> None:
    screen = read("README.md").splitlines()[:40]
    assert MAIN in screen
    assert TESTS in screen


def test_ci_runs_the_readmes_test_command(tmp_path: Path) -> None:
    """The very line of `.ci/run` that finds the command, run on the README."""
    (line,) = [line for line in read(".ci/run").splitlines() if line.startswith("command=")]
    done = run(f'cd {shlex.quote(str(ROOT))}; {line}; printf %s "$command"', tmp_path)
    assert done.stdout == TESTS, done.stderr


def shown_commands(text: str) -> list[list[str]]:
    """Arguments of each `mmbench VERB ...` in bash blocks."""
    lines = "\n".join(blocks(text, "bash")).replace("\\\n", " ").splitlines()
    found = (re.findall(r"(?:^|&& )mmbench ([^&;|>]*)", line) for line in lines)
    return [shlex.split(command, comments=True) for commands in found for command in commands]


def test_shown_commands_are_found() -> None:
    text = "```bash\npip install . && mmbench eval \\\n  --model film # best\nmmbench list > x\n```\n`mmbench show`\n"
    assert shown_commands(text) == [["eval", "--model", "film"], ["list"]]
    assert len(shown_commands(read("README.md"))) >= 10


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_shown_command_parses(name: str) -> None:
    group = typer.main.get_command(app)
    for verb, *arguments in shown_commands(read(name)):
        assert verb in group.commands, f"{name}: mmbench {verb}"
        group.commands[verb].make_context(verb, arguments)  # raises on options that do not exist or are missing


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_mentioned_verb_and_option_exists(name: str) -> None:
    group = typer.main.get_command(app)
    for mentioned in re.findall(r"`mmbench ([^`]+)`", read(name)):
        words = mentioned.split()
        command = group if words[0].startswith("-") else group.commands.get(words[0])
        assert command is not None, f"{name}: mmbench {mentioned}"
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("-")} <= known, f"{name}: mmbench {mentioned}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", read(name))
    missing = [target for target in targets if not (ROOT / name).parent.joinpath(target).exists()]
    assert not missing


# --- what is written down twice ---------------------------------------------------------------------------------------


def test_changelog_begins_with_the_version_of_the_project() -> None:
    newest = re.search(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert newest
    assert newest[1] == project()["version"]


@pytest.mark.parametrize(
    ("name", "shows"),
    [("README.md", "results/reference/vqa/easy-vqa --metric accuracy"), ("results/README.md", "results/reference")],
)
def test_leaderboard_is_what_the_verb_prints(name: str, shows: str) -> None:
    command = f"mmbench leaderboard {shows} --format markdown"
    done = run(command, ROOT)
    assert done.returncode == 0, done.stderr
    shown = read(name).partition("<!-- leaderboard:begin -->\n")[2].partition("<!-- leaderboard:end -->")[0]
    assert shown.strip() == done.stdout.strip(), f"put the output of `{command}` between the markers of {name}"


def test_architecture_shows_the_layers_that_are_enforced() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert "\n".join(layers) + "\n" in blocks(read("ARCHITECTURE.md"), "")


def test_architecture_names_files_that_exist() -> None:
    named = re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.(?:py|toml|schema\.json))`", read("ARCHITECTURE.md"))
    assert len(named) > 20
    roots = (ROOT, ROOT / "mmbench")
    assert not [path for path in named if not any((root / path).exists() for root in roots)]


# --- recipes ----------------------------------------------------------------------------------------------------------


def recipe(title: str) -> str:
    """The text of one recipe of CONTRIBUTING.md."""
    return read("CONTRIBUTING.md").partition(f"\n### {title}\n")[2].partition("\n### ")[0]


def follow(title: str, folder: Path) -> str:
    """Write a recipe's files, run its commands as they stand, and return what they print."""
    files = {
        match[1]: block
        for language in ("python", "yaml")
        for block in blocks(recipe(title), language)
        if (match := re.match(r"# (\S+)\n", block))
    }
    assert files
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    output = ""
    for commands in blocks(recipe(title), "bash"):
        done = run(commands, folder)
        assert done.returncode == 0, done.stderr
        output += done.stdout
    return output


def test_recipe_of_a_fusion(tmp_path: Path) -> None:
    (code,) = blocks(recipe("Add a fusion"), "python")
    assert len(code.splitlines()) < 25
    *_, board = follow("Add a fusion", tmp_path).partition("next: mmbench leaderboard")
    (row,) = [line for line in board.splitlines() if "my-fusion" in line]
    assert float(row.split()[2]) > 0.3, "it learns nothing"


def test_fusion_of_the_readme(tmp_path: Path) -> None:
    (code,) = [block for block in blocks(read("README.md"), "python") if "Fusion" in block]
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    done = run(
        "python -c 'from mine import Mine; from mmbench.testing import check_fusion; check_fusion(Mine)'", tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_recipes_of_a_metric_a_data_set_and_a_task(tmp_path: Path) -> None:
    assert "lower is better" in follow("Add a metric", tmp_path)
    assert "1,297" in follow("Add a data set", tmp_path)
    shown = follow("Add a task", tmp_path).partition("small-digits test, 500 samples")[2]
    values = {
        words[0]: float(words[1]) for line in shown.splitlines() if (words := line.split())[1:] and "wilson" in words
    }
    assert values["accuracy"] > 0.5
    assert values["error_rate"] == pytest.approx(1 - values["accuracy"])


def test_recipe_of_a_package_names_groups_that_exist() -> None:
    (text,) = blocks(recipe("Make it a package"), "toml")
    groups = tomllib.loads(text)["project"]["entry-points"]
    assert set(groups) <= {f"mmbench.{kind}s" for kind in KINDS} | {"mmbench.weights"}
    for group, entries in groups.items():
        assert group in project()["entry-points"]
        assert all(re.fullmatch(r"[\w.]+(:\w+)?", value) for value in entries.values())
