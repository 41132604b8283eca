"""A metric of the evaluate library as a metric here; see `mmbench.metrics.evaluate_library`, which loads it."""

import inspect
import io
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from mmbench.data.annotations import shown
from mmbench.metrics.metric import Columns, FloatArray, Metric
from mmbench.metrics.vqa_text import answers_of
from mmbench.sample import Prediction, Sample


class EvaluateMetric(Metric):
    """Base of metrics that the library computes from all predictions and references at once.

    The sufficient statistics are the rows themselves: how often each different pair of prediction and reference occurs.
    The value is what the library computes from the pairs so often repeated; a resample costs a whole computation, so
    there are 199 of them only.

    Class attributes:
        module: the library's metric, an `evaluate.Metric`.
        kinds: what it takes as a prediction and as a reference: `str`, `int` or `float`.
        many: whether it takes a list of references a sample.
    """

    columns: ClassVar[tuple[str, ...]] = ("prediction", "reference")
    resamples: ClassVar[int | None] = 199
    module: ClassVar[Any]
    kinds: ClassVar[tuple[type, type]]
    many: ClassVar[bool]

    def __init__(self, **chosen: str) -> None:
        super().__init__(**chosen)
        self._columns: dict[tuple[Any, Any], int] = {}

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """The prediction and its reference, or list of references, as the library takes them.

        Raises:
            ValueError: the sample has no reference, or several where one is taken, or a text is no number.
            TypeError: a reference is no text.
        """
        references = answers_of(sample)
        if not self.many and len(references) > 1:
            raise ValueError(f"{self.name} takes one reference a sample; this one has {len(references)}")
        of_prediction, of_reference = self.kinds
        found = [self._parse(of_reference, reference) for reference in references]
        return self._parse(of_prediction, prediction.value), found if self.many else found[0]

    def statistics(self, rows: Columns) -> sparse.csr_array:
        """A one for each sample in the column of its pair, [n, K].

        A pair has the same column in every call, so that sums of parts line up with those of the whole; K grows as new
        pairs turn up.
        """
        predictions, references = rows["prediction"].tolist(), rows["reference"].tolist()
        if self.many:
            references = [tuple(listed) for listed in references]
        pairs = zip(predictions, references, strict=True)
        columns = [self._columns.setdefault(pair, len(self._columns)) for pair in pairs]
        n = len(columns)
        return sparse.csr_array((np.ones(n), (np.arange(n), columns)), shape=(n, len(self._columns)))

    def value(self, sums: FloatArray) -> FloatArray:
        """The library's value, [..., K] -> [...]; NaN where it gives no number or fails."""
        counts = sums.reshape(math.prod(sums.shape[:-1]), sums.shape[-1])
        return np.array([self._value(each) for each in counts], dtype=np.float64).reshape(sums.shape[:-1])

    def settings(self) -> dict[str, Any]:
        """The version of the library, and a hash of the script that it ran."""
        import evaluate  # noqa: PLC0415  # takes seconds

        script = Path(inspect.getfile(type(self.module)))
        return {"evaluate": evaluate.__version__, "script_sha256": sha256(script.read_bytes()).hexdigest()}

    def details(self, rows: Columns) -> Mapping[str, Any] | None:
        """Which entry of the library's result is the value, and the other entries; or why there is no result."""
        try:
            result = self._compute(np.asarray(self.statistics(rows).sum(axis=0), dtype=np.float64))
        except Exception as error:  # see `_value`
            return {"not_computed": _reason(error)}
        entry = self._entry(result)
        return {"entry": entry, "others": {key: _json(value) for key, value in result.items() if key != entry}}

    def _parse(self, kind: Callable[[str], Any], text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            wanted = "whole numbers" if kind is int else "numbers"
            raise ValueError(f"{self.name} takes {wanted}, not {text!r:.80}") from None

    def _value(self, counts: FloatArray) -> float:
        try:
            result = self._compute(counts)
        except Exception:  # a script may fail in any way, and the run's other metrics stay right
            return math.nan
        entry = self._entry(result)
        return math.nan if entry is None else float(result[entry])

    def _compute(self, counts: FloatArray) -> Mapping[str, Any]:
        pairs = list(self._columns)
        repeated = [pairs[column] for column in np.repeat(np.arange(len(counts)), np.rint(counts).astype(np.intp))]
        if not repeated:
            return {}
        with quiet():
            result = self.module.compute(
                predictions=[prediction for prediction, _ in repeated],
                references=[list(reference) if self.many else reference for _, reference in repeated],
            )
        return result if isinstance(result, Mapping) else {self._key: result}

    @property
    def _key(self) -> str:
        return self.name.partition(":")[2]

    def _entry(self, result: Mapping[str, Any]) -> str | None:
        """The entry named as the metric is, else the first that is a number."""
        numbers = [key for key, value in result.items() if type(_plain(value)) in (int, float)]
        return self._key if self._key in numbers else next(iter(numbers), None)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing that the library or a script prints, logs or warns of gets out."""
    before = logging.root.manager.disable
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


def _reason(error: Exception) -> str:
    """What failed, without the path of one machine that an `OSError` has in its text."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{shown(Path(os.fsdecode(error.filename)))}: {error.strerror}"
    return f"{type(error).__name__}: {' '.join(text.split())}"


def _plain(value: Any) -> Any:
    """Arrays and scalars of numpy and torch as Python has them."""
    return value.tolist() if hasattr(value, "tolist") else value


def _json(value: Any) -> Any:
    """As JSON can hold it: what is no number is `None`, what is nothing that JSON knows is its text."""
    value = _plain(value)
    if isinstance(value, Mapping):
        return {str(key): _json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
