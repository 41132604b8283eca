"""What `mmbench train` prints when it is done."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape

from mmbench.checkpoint import file_sha256
from mmbench.cli.console import console
from mmbench.cli.progress import shown_metrics
from mmbench.engine.train_source import On, beside
from mmbench.engine.trained import Trained


def trained_as_json(trained: Trained, model: str, on: On) -> dict[str, object]:
    """One task's part as plain JSON."""
    return {
        "weights": {"source": trained.path.as_posix(), "sha256": file_sha256(trained.path)},
        "parameters": trained.parameters,
        "best": asdict(trained.best),
        "history": [asdict(epoch) for epoch in trained.history],
        "model": model,
        "config": trained.config,
        "task": on.task,
        "options": asdict(trained.options),
    }


def print_trained(
    trained: Sequence[Trained], model: str, on: Sequence[On], plugins: Sequence[Path], *, given_output: bool
) -> None:
    """The epoch that was kept, and for each task what was written and the command that evaluates it."""
    out = console()
    best = trained[0].best
    kept = "last" if trained[0].options.keep == "last" else "best"
    out.print(f"[bold]{escape(model)}[/] {kept} at epoch {best.number} on validation: {shown_metrics(best, ', ')}")
    for each, where in zip(trained, on, strict=True):
        out.print(f"weights: {escape(str(each.path))} ({each.parameters:,} parameters)", soft_wrap=True)
        if best.loss is not None:
            out.print(f"curves:  {escape(str(beside(each.path, '.curves.svg')))}", soft_wrap=True)
        words = [word for file in plugins for word in ("--plugin", str(file))]
        words += ["--model", model, "--task", where.task]
        words += ["--dataset", where.dataset] if where.dataset else []
        words += ["--data", str(where.data)] if where.data else []
        words += ["--weights", str(each.path)] if given_output else []
        out.print(f"[dim]next: mmbench eval {escape(shlex.join(words))}[/]", soft_wrap=True)
