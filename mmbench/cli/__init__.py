"""The command line: `mmbench VERB`, one file a verb.

Nothing heavy is imported here, nor at the top of a verb's file: `mmbench --help` answers at once.
"""

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from mmbench.cli.bisect import bisect
from mmbench.cli.compare import compare
from mmbench.cli.console import print_line
from mmbench.cli.diagnose import diagnose
from mmbench.cli.doctor import doctor
from mmbench.cli.eval import eval_
from mmbench.cli.export import export
from mmbench.cli.gate import gate
from mmbench.cli.leaderboard import leaderboard
from mmbench.cli.list import list_
from mmbench.cli.profile import profile
from mmbench.cli.score import score
from mmbench.cli.show import show
from mmbench.cli.train import train
from mmbench.cli.trend import trend
from mmbench.data.noise_summaries import told_noises
from mmbench.engine.processes import let_first_speak
from mmbench.errors import HarnessError, MMBenchError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
BROKEN_PIPE = 141  # 128 + SIGPIPE

EPILOG = (
    "Exit codes: 0 done, 1 the gate found a regression, 2 wrong usage, 3 inconclusive, 4 the harness failed. "
    "Begin with `mmbench list`."
)

# In this module `list` is the verb, not the type.
app = typer.Typer(name="mmbench", add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command("eval", epilog=told_noises())(eval_)
app.command("train")(train)
app.command("profile")(profile)
app.command("score")(score)
app.command("leaderboard")(leaderboard)
app.command("compare")(compare)
app.command("diagnose", epilog=told_noises())(diagnose)
app.command("gate")(gate)
app.command("bisect")(bisect)
app.command("trend")(trend)
app.command("export")(export)
app.command("list")(list_)
app.command("show")(show)
app.command("doctor")(doctor)


@dataclass
class Settings:
    """What the options before the verb set."""

    debug: bool = False


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mmbench {version('mmbench')}")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[  # its callback does the work
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Measure multimodal models: how good they are, what they cost, and why."""
    context.ensure_object(Settings).debug = debug


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line `args` (default: that of the process) and return its exit code."""
    arguments = [*(sys.argv[1:] if args is None else args)] or ["--help"]
    if "--debug" in arguments:  # the line of an error says to add it, and people add at the end
        arguments.remove("--debug")
        arguments.insert(0, "--debug")
    settings = Settings()
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            return _run(arguments, settings)
        except (KeyboardInterrupt, typer.Abort):
            print_line("error", "bold red", "interrupted")
            return INTERRUPTED
        except (BrokenPipeError, SystemExit) as error:  # rich turns the first into the second
            if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
                raise
            # Whoever read the output has gone: nobody is left to tell, nor may the exit of Python try to.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        except Exception as error:  # the last resort: whatever it is, the user gets one line and an exit code
            if settings.debug:
                traceback.print_exc()
            return _report(error)


def _run(arguments: Sequence[str], settings: Settings) -> int:
    # Not app(): it would turn a broken pipe into exit code 1, which here means a regression.
    command = typer.main.get_command(app)
    try:
        with command.make_context("mmbench", [*arguments], obj=settings) as context:
            command.invoke(context)
    except typer.Exit as request:
        return request.exit_code
    finally:
        sys.stdout.flush()
    return 0


def _report(error: Exception) -> int:
    """Print one line for `error` and return its exit code."""
    let_first_speak()
    # What is wrong with the words of a command line; the class of it has moved between versions of typer.
    wording = getattr(error, "format_message", None)
    if isinstance(error, MMBenchError):
        message, code = str(error), error.exit_code
    elif wording is not None:
        message, code = wording(), getattr(error, "exit_code", 2)
    else:
        print_line(
            "internal error",
            "bold red",
            f"{type(error).__name__}: {error} (run again with --debug for the traceback)",
        )
        return HarnessError.exit_code
    print_line("error", "bold red", message)
    return code


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print_line("warning", "yellow", str(message))
