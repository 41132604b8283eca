"""Metrics, one a file: a row of sufficient statistics a sample, then an aggregate.

`as_evaluate` hands one to users of the evaluate library.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmbench.metrics.evaluate_export import as_evaluate

__all__ = ["as_evaluate"]


def __getattr__(name: str) -> Any:
    if name != "as_evaluate":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mmbench.metrics.evaluate_export import as_evaluate  # noqa: PLC0415  # imports evaluate, which takes seconds

    return as_evaluate
