"""The contract of a metric: one row of sufficient statistics a sample, then an aggregate.

Every metric here is a function of *sums* over samples: `value(sum(statistics))`. Intervals (resample and sum again),
breakdowns (sum a part), resume and the merging of shards all follow from that one property. What needs all samples at
once (document frequencies, ranks) happens in between: in `finish` once for a family, or in `statistics`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmbench.errors import UsageError, unknown_name
from mmbench.sample import Prediction, Sample

FloatArray = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]
Statistics = FloatArray | sparse.csr_array

ERROR = "error"
"""The column by which `finish` says why a row cannot be scored; `None` where it can."""


class Metric(ABC):
    """Base of every metric.

    Class attributes:
        name: what records and `--metric` call it.
        higher_is_better: the direction; `None` for what describes and does not judge.
        columns: names of the values in one row.
        family: metrics of one family share `row`, `columns`, `finish` and options, so that a sample is scored once for
            all of them; empty for a metric that shares with none. `samples.parquet` has a column `PREFIX.COLUMN` for
            each, the prefix being the family, else the name.
        proportion: rows are 0 or 1 and the value is their mean, so a binomial interval is exact enough.
        needs_scores: rows are made from `Prediction.scores`, which a generator does not give.
        reads_inputs: rows are made from `Sample.inputs`, which are dropped after collation otherwise.
        options: values allowed for each option by which users choose how to score, the default first; an empty tuple
            where any text will do.
        resamples: at most as many bootstrap resamples, where `value` is slow.
        bootstrap: how resampled values become an interval: `percentile`, `basic` for a value that resampling shifts
            (its distance from the percentiles is then turned round), or `none` where a resample is no smaller copy of
            the data.
        least, most: the values there can be.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool | None] = True
    columns: ClassVar[tuple[str, ...]]
    family: ClassVar[str] = ""
    proportion: ClassVar[bool] = False
    needs_scores: ClassVar[bool] = False
    reads_inputs: ClassVar[bool] = False
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    resamples: ClassVar[int | None] = None
    bootstrap: ClassVar[Literal["percentile", "basic", "none"]] = "percentile"
    least: ClassVar[float] = 0.0
    most: ClassVar[float] = math.inf

    def __init__(self, **chosen: str) -> None:
        """Args:
        chosen: values of some of `options`.

        Raises:
            UsageError: no such option, or not one of its values.
        """
        for key, value in chosen.items():
            if key not in self.options:
                raise unknown_name(f"option of metric {self.name}", key, self.options)
            if self.options[key] and value not in self.options[key]:
                raise unknown_name(f"{key} of metric {self.name}", value, self.options[key])
        self.chosen = {key: values[0] for key, values in self.options.items() if values} | chosen

    @property
    def prefix(self) -> str:
        """What the columns of its rows are stored under."""
        return self.family or self.name

    @abstractmethod
    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """Sufficient statistics of one sample, one value (float, int, str or list of str) for each of `columns`."""

    def finish(self, rows: Columns) -> Columns:
        """Rows as they are kept, from the rows of all samples; called once a family when all samples are through.

        The columns may be other ones, of the same n rows. A column `ERROR` gives the reason of rows that cannot be
        scored after all.
        """
        return rows

    def selected(self, rows: Columns) -> NDArray[np.bool_] | None:
        """Which finished rows the metric is about, [n]; `None` for all. The others do not count in its n."""
        return None

    @abstractmethod
    def statistics(self, rows: Columns) -> Statistics:
        """Numbers whose sum over samples determines the metric, [n, K], from finished, selected columns of n rows."""

    @abstractmethod
    def value(self, sums: FloatArray) -> FloatArray:
        """The metric from summed statistics [..., K] -> [...]; NaN where it is not defined."""

    def settings(self) -> dict[str, Any]:
        """How it scored, for the record: the options, and what they came to."""
        return dict(self.chosen)

    def details(self, rows: Columns) -> Mapping[str, Any] | None:
        """What a reader wants to see besides the value, as plain JSON (a confusion matrix, kinds of error).

        All finished rows are given; those the metric is about are `select(rows)`.
        """
        return None

    def select(self, rows: Columns) -> Columns:
        """The finished rows that the metric is about."""
        chosen = self.selected(rows)
        return rows if chosen is None else {column: values[chosen] for column, values in rows.items()}

    def aggregate(self, rows: Columns) -> float:
        """The metric over all finished rows; NaN where there is none."""
        statistics = self.statistics(self.select(rows))
        return float(self.value(np.asarray(statistics.sum(axis=0), dtype=np.float64)))


def families(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metric that makes the rows of each family, by prefix: the first of it."""
    found: dict[str, Metric] = {}
    for metric in metrics.values():
        found.setdefault(metric.prefix, metric)
    return found


def as_columns(metric: Metric, rows: Iterable[tuple[Any, ...]]) -> dict[str, NDArray[Any]]:
    """Rows of a metric as one array a column."""
    listed = list(rows)
    return {column: as_array([row[place] for row in listed]) for place, column in enumerate(metric.columns)}


def score_all(metric: Metric, rows: Iterable[tuple[Any, ...]]) -> float:
    """A metric over rows as `row` makes them: finished, selected, summed.

    Raises:
        ValueError: a row cannot be scored; says why.
    """
    finished = metric.finish(as_columns(metric, rows))
    for error in finished.get(ERROR, ()):
        if error is not None:
            raise ValueError(str(error))
    return metric.aggregate(finished)


def share(sums: FloatArray) -> FloatArray:
    """The quotient of two sums, [..., 2] -> [...]; NaN where the second is 0."""
    above, below = sums[..., 0], sums[..., 1]
    quotient: FloatArray = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return quotient


def one_target(sample: Sample) -> str:
    """The target as the one label that it is.

    Raises:
        TypeError: it is a list of answers, any of which may be right.
    """
    if isinstance(sample.target, list | tuple):
        raise TypeError(f"the target is a list of {len(sample.target)}; expected one label")
    return str(sample.target)


def protocol_of(metrics: Mapping[str, Metric]) -> dict[str, str]:
    """How metrics score, by option: what was chosen, or what a choice of `auto` came to."""
    found: dict[str, str] = {}
    for metric in metrics.values():
        told = metric.settings()
        found |= {key: str(told[key]) for key in metric.options if key in told}
    return found


def check_options(metrics: Iterable[Metric | type[Metric]], chosen: Mapping[str, str]) -> None:
    """Refuse an option that none of the metrics has.

    Raises:
        UsageError: with the nearest.
    """
    known = {key for metric in metrics for key in metric.options}
    for key in chosen:
        if key not in known:
            if not known:
                raise UsageError(f"unknown protocol option {key!r}: the metrics asked for have none")
            raise unknown_name("protocol option", key, known)


def as_array(values: list[Any]) -> NDArray[Any]:
    """A column of values; lists of one length stay lists."""
    if values and isinstance(values[0], str | list):  # lists of one length would become a matrix
        found = np.empty(len(values), dtype=object)
        found[:] = values
        return found
    return np.asarray(values)
