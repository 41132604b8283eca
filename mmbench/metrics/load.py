"""A metric by its name: registered, or of another library."""

from mmbench.metrics.metric import Metric
from mmbench.registry import registry


def load_metric(name: str) -> type[Metric]:
    """The class of a metric; `evaluate:NAME_OR_PATH` is one of the evaluate library.

    Raises:
        UsageError: no such metric; says the nearest.
    """
    library, colon, rest = name.partition(":")
    if colon and library == "evaluate":
        from mmbench.metrics.evaluate_library import from_evaluate  # noqa: PLC0415  # its import takes seconds

        return from_evaluate(rest)
    metric: type[Metric] = registry.load("metric", name)
    return metric
