"""What failing samples do to a run: `--on-error` and `--max-errors`."""

from collections.abc import Callable, Sequence

from mmbench.engine.loader import Failure
from mmbench.engine.options import EvalOptions, ScoreOptions
from mmbench.errors import HarnessError, MMBenchError


def _sample(failure: Failure) -> str:
    return f"sample {failure.id} failed at stage {failure.stage}"


def _told(failure: Failure) -> str:
    """The reason; that a metric refused with a ValueError says nothing more."""
    return failure.reason.removeprefix("ValueError: ") if failure.stage == "score" else failure.reason


def check_policy(
    failures: Sequence[Failure],
    errors: int,
    options: EvalOptions | ScoreOptions,
    tell: Callable[[Failure], str] = _sample,
    error: type[MMBenchError] = HarnessError,
) -> None:
    """Stop at the first failure, or at more than the maximum.

    Args:
        failures: new ones.
        errors: all so far.
        options: what to do.
        tell: which sample a failure is of.
        error: what to raise.

    Raises:
        MMBenchError: of the class `error`: a sample failed under `on_error="fail"`, or more than `max_errors` did under
            `skip`.
    """
    if not failures:
        return
    first, last = failures[0], failures[-1]
    if options.on_error == "fail":
        raise error(f"{tell(first)}: {_told(first)}; {options.advice}")
    if options.max_errors is not None and errors > options.max_errors:
        raise error(
            f"{errors} samples failed, more than --max-errors {options.max_errors}; "
            f"the last: {tell(last)}: {_told(last)}"
        )
