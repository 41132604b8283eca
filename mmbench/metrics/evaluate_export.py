"""Our metrics for users of the evaluate library; importing this takes seconds, since it imports the library."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from mmbench.errors import UsageError
from mmbench.metrics.evaluate_library import scratch
from mmbench.metrics.load import load_metric
from mmbench.metrics.metric import Metric, score_all
from mmbench.sample import Prediction, Sample

_INPUTS = """
Args:
    predictions: one text a sample.
    references: the right text of each sample, or a list of right texts for each.
Returns:
    the value under the name of the metric; NaN where it is not defined.
"""


class MMBenchMetric(evaluate.Metric):  # type: ignore[misc]  # the library has no types
    """A metric that is made from the text of a prediction and of one or several references."""

    def __init__(self, metric: Metric, **settings: Any) -> None:
        self._metric = metric
        super().__init__(config_name=metric.name, **settings)

    @property
    def name(self) -> str:
        """Ours; the library would make it from the name of the class."""
        return self._metric.name

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        allowed = [datasets.Sequence(text), text] if _takes_lists(self._metric) else [text]
        return evaluate.MetricInfo(
            description=(type(self._metric).__doc__ or "").strip(),
            citation="",
            inputs_description=_INPUTS,
            features=[datasets.Features({"predictions": text, "references": references}) for references in allowed],
        )

    def _compute(self, predictions: Sequence[str], references: Sequence[Any]) -> dict[str, float]:
        pairs = zip(predictions, references, strict=True)
        rows = [self._metric.row(Prediction(said), Sample(str(n), {}, right)) for n, (said, right) in enumerate(pairs)]
        return {self._metric.name: score_all(self._metric, rows)}


def as_evaluate(
    name: str,
    *,
    num_process: int = 1,
    process_id: int = 0,
    experiment_id: str | None = None,
    cache_dir: str | None = None,
    **options: str,
) -> evaluate.Metric:
    """One of our metrics as a metric of the evaluate library.

    ```python
    exact_match = as_evaluate("exact_match", normalization="squad")
    exact_match.compute(predictions=["a cat"], references=[["cat", "kitten"]])  # {"exact_match": 1.0}
    ```

    Args:
        name: a metric that is made from texts.
        num_process: processes that add predictions, as `evaluate.load` has it.
        process_id: which of them this is; only process 0 gets a value.
        experiment_id: tells runs apart that share a `cache_dir`.
        cache_dir: where several processes meet; the library's own folder if `None`.
        options: how it scores.

    Raises:
        UsageError: no such metric or option, or the metric needs more than texts.
    """
    metric = load_metric(name)(**options)
    _check_texts_suffice(metric)
    return MMBenchMetric(
        metric,
        num_process=num_process,
        process_id=process_id,
        experiment_id=experiment_id,
        cache_dir=cache_dir or (scratch() if num_process == 1 else None),
        keep_in_memory=num_process == 1,
    )


def _check_texts_suffice(metric: Metric) -> None:
    needs = "the scores of all labels" if metric.needs_scores else "the inputs" if metric.reads_inputs else None
    if needs is None:
        try:
            _probe(metric, "text")
        except ValueError as error:
            needs = f"more: {error}"
    if needs is not None:
        raise UsageError(f"the evaluate library passes texts only; metric {metric.name!r} needs {needs}")


def _takes_lists(metric: Metric) -> bool:
    """Whether a list of references is anything else to the metric than a text that looks like a list."""
    references = ["text", "text"]
    try:
        return _probe(metric, references) != _probe(metric, str(references))
    except (TypeError, ValueError):
        return False


def _probe(metric: Metric, target: Any) -> tuple[Any, ...]:
    return metric.row(Prediction("text"), Sample("probe", {}, target))
