"""The frame of the command line: help, version, errors, exit codes, and what is not imported."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from mmbench.cli import app, main
from mmbench.data.noise_summaries import SUMMARIES
from mmbench.errors import HarnessError

VERBS = (
    *("eval", "profile", "train", "compare", "diagnose", "score", "leaderboard", "gate", "bisect", "trend"),
    *("export", "list", "show", "doctor"),
)
HEAVY = "torch transformers pandas pyarrow"


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verb `fail` beside the real ones; it raises what it is told to."""
    monkeypatch.setattr(app, "registered_commands", [*app.registered_commands])

    @app.command("fail")
    def fail(what: str) -> None:
        errors: dict[str, BaseException] = {
            "harness": HarnessError("the disk\n is full"),
            "bug": ZeroDivisionError("by [zero]"),
            "interrupt": KeyboardInterrupt(),
            "regression": typer.Exit(1),
            "inconclusive": typer.Exit(3),
        }
        if what in errors:
            raise errors[what]


def plain(text: str) -> str:
    """Text without the colours that typer prints even to a pipe on some continuous-integration services."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_help_names_every_verb_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = " ".join(plain(capsys.readouterr().out).split())
    for verb in VERBS:
        assert f"│ {verb} " in text
    for code in ("0 done", "1 the gate found a regression", "2 wrong usage", "3 inconclusive", "4 the harness failed"):
        assert code in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert "--json" in plain(capsys.readouterr().out)


@pytest.mark.parametrize("verb", ["eval", "diagnose"])
def test_help_names_every_noise_and_says_what_it_does(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    text = " ".join(plain(capsys.readouterr().out).replace("│", " ").split())
    assert "image: gaussian, blur, occlusion, colour; text: swap, typo, drop; audio: white, dropout." in text
    for modality, noises in SUMMARIES.items():
        for name, summary in noises.items():
            assert f"{modality}={name}, {summary}" in text


def test_no_arguments_print_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Usage: mmbench" in plain(capsys.readouterr().out)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    name, version = capsys.readouterr().out.split()
    assert name == "mmbench"
    assert version[0].isdigit()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["eval", "--help"], ["profile", "--help"], ["list"], ["list", "--json"]],
)
def test_light_verbs_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from mmbench.cli import main; code = main(sys.argv[1:]); "
        f"sys.exit(' '.join(m for m in {HEAVY!r}.split() if m in sys.modules) or code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lst"], "error: No such command 'lst'."),
        (["list", "--jsno"], "error: No such option: --jsno"),
        (["show"], "error: Missing argument 'NAME'."),
        (["list", "modles"], "error: unknown kind 'modles'; did you mean 'models'"),
        (["list", "--plugin", "no/such.py"], "error: Python file 'no/such.py' does not exist"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.err.startswith(message)
    assert output.err.count("\n") == 1
    assert output.out == ""


@pytest.mark.usefixtures("verb")
@pytest.mark.parametrize(
    ("what", "code", "error"),
    [
        ("nothing", 0, ""),
        ("regression", 1, ""),
        ("inconclusive", 3, ""),
        ("harness", 4, "error: the disk is full\n"),
        ("bug", 4, "internal error: ZeroDivisionError: by [zero] (run again with --debug for the traceback)\n"),
        ("interrupt", 130, "error: interrupted\n"),
    ],
)
def test_exit_codes(what: str, code: int, error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fail", what]) == code
    assert capsys.readouterr().err == error


@pytest.mark.usefixtures("verb")
@pytest.mark.parametrize("arguments", [["--debug", "fail", "bug"], ["fail", "bug", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 4
    error = capsys.readouterr().err
    assert error.startswith("Traceback (most recent call last):")
    assert "raise errors[what]" in error
    assert error.splitlines()[-1].startswith("internal error: ZeroDivisionError")


def test_error_is_red_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    main(["show", "no-such-thing"])
    assert capsys.readouterr().err.startswith("\x1b[1;31merror:")
    monkeypatch.delenv("FORCE_COLOR")
    main(["show", "no-such-thing"])
    assert "\x1b" not in capsys.readouterr().err


def test_warning_is_one_line(tmp_path: Path) -> None:
    plugin = tmp_path / "noisy.py"
    plugin.write_text("import warnings\nwarnings.warn('mind\\nthe gap')\n")
    command = [sys.executable, "-c", "from mmbench.cli import main; main()", "list", "tasks", "--plugin", str(plugin)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "warning: mind the gap\n"


def test_reader_that_leaves_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", "import sys; from mmbench.cli import main; sys.exit(main())", "list"]
    for arguments in (command, [*command, "--json"]):
        done = subprocess.run(arguments, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (141, "")
    os.close(write)
