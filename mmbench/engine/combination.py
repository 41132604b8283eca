"""Ways to make one decision of several: what `--ensemble` names, and the arithmetic of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from mmbench.errors import UsageError, unknown_name

Kind = Literal["mean", "product", "vote", "weighted"]
FloatArray = NDArray[np.float64]

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Combination:
    """One way, with the weights of the members if it is `weighted`."""

    kind: Kind
    weights: tuple[float, ...] = ()

    @property
    def needs_scores(self) -> bool:
        """Whether it is made of probabilities: a vote is not."""
        return self.kind != "vote"

    def label(self) -> str:
        """As the user wrote it: `mean`, `weighted=0.7:0.3`."""
        return self.kind + ("=" + ":".join(f"{weight:g}" for weight in self.weights) if self.weights else "")

    def check(self, members: int) -> None:
        """Refuse another number of members than there are weights, and fewer than two.

        Raises:
            UsageError: says both numbers.
        """
        if members < 2:
            raise UsageError(f"an ensemble is made of at least two models, not {members}")
        if self.kind == "weighted" and len(self.weights) != members:
            raise UsageError(f"--ensemble {self.label()} has {len(self.weights)} weights for {members} models")


def parse_combinations(text: str) -> list[Combination]:
    """What `--ensemble` says: `mean,vote,weighted=0.7:0.2:0.1`.

    Raises:
        UsageError: an unknown kind (says the nearest), one twice, or weights that are none.
    """
    found: list[Combination] = []
    for part in text.split(","):
        name, _, weights = part.strip().partition("=")
        kind: Kind | None = next((kind for kind in KINDS if kind == name), None)
        if kind is None:
            raise unknown_name("ensemble", name, KINDS)
        combination = Combination(kind, _weights(kind, weights))
        if combination in found:
            raise UsageError(f"--ensemble names {combination.label()} twice")
        found.append(combination)
    return found


def _weights(kind: Kind, text: str) -> tuple[float, ...]:
    if kind != "weighted":
        if text:
            raise UsageError(f"ensemble {kind!r} takes no weights; `weighted={text}` does")
        return ()
    if not text:
        raise UsageError(
            "ensemble 'weighted' needs the weight of each model, as in weighted=0.7:0.3: finding the best ones on the "
            "samples that are scored would be peeking"
        )
    try:
        weights = tuple(float(weight) for weight in text.split(":"))
    except ValueError:
        raise UsageError(
            f"weights are numbers with colons between them, as in weighted=0.7:0.3, not {text!r}"
        ) from None
    if not (np.isfinite(weights).all() and min(weights) >= 0 and sum(weights) > 0):
        raise UsageError(f"weights are at least 0 and not all 0, unlike {text!r}")
    return weights


def combine(combination: Combination, scores: Sequence[NDArray[Any]]) -> FloatArray:
    """Log-probabilities of an ensemble, [n, C]; all of a sample are minus infinity where a product leaves no label.

    Args:
        combination: `mean` (of probabilities), `weighted` (the same with weights, whose sum does not matter) or
            `product` (of probabilities, normalised: experts that each can veto; Hinton, ICANN 1999).
        scores: of each member, log-probabilities up to a constant, [n, C], of the same labels in the same order.
    """
    logs = np.stack([log_softmax(np.asarray(each, dtype=np.float64), axis=1) for each in scores])
    if combination.kind == "product":
        total: FloatArray = logs.sum(axis=0)
        norm = logsumexp(total, axis=1, keepdims=True)
        return np.subtract(total, norm, out=total, where=np.isfinite(norm))
    weights = np.asarray(combination.weights or [1.0] * len(scores), dtype=np.float64)
    mixed: FloatArray = logsumexp(logs, axis=0, b=(weights / weights.sum())[:, None, None])
    return mixed


def vote(predictions: Sequence[Sequence[str]]) -> list[str]:
    """The answer that most members gave to each sample; of a tie, the one of the member that comes first.

    Args:
        predictions: of each member, [M][n].
    """
    codes, names = pd.factorize(np.concatenate([np.asarray(each, dtype=object) for each in predictions]))
    given = codes.reshape(len(predictions), -1)
    agreeing = np.stack([(given == mine).sum(axis=0) for mine in given])
    chosen = given[agreeing.argmax(axis=0), np.arange(given.shape[1])]
    return [str(name) for name in names[chosen]]
