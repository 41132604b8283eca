"""Attention of a sample as people can see it: maps over images, tracks over sounds, and bars for all other tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.attention import Grid, Steps
from mmbench.cli.units import percent
from mmbench.engine.attend import Attended, Look
from mmbench.engine.look import as_json
from mmbench.errors import printable
from mmbench.sample import Modality

Shares = NDArray[np.float64]

_MOST = 40  # bars, and words with a map of their own
_TITLE = 100  # characters of a text in a title


@dataclass(slots=True)
class View:
    """One look, its shares of attention over all that it shows summing to 1.

    Attributes:
        title: who looked at what, and how much at each.
        maps: [rows, columns] by modality.
        words: for each text token that looked, its own map by modality.
        tracks: seconds a token, and [T], by modality.
        bars: a text and a share for each token that has no place.
    """

    title: str
    maps: dict[str, Shares] = field(default_factory=dict)
    words: dict[str, list[tuple[str, Shares]]] = field(default_factory=dict)
    tracks: dict[str, tuple[float, Shares]] = field(default_factory=dict)
    bars: list[tuple[str, float]] = field(default_factory=list)


def views(attended: Attended) -> list[View]:
    """What there is to see of every look, in order."""
    return [_view(look, attended) for look in attended.looks]


def heading(attended: Attended) -> list[str]:
    """What was asked, and what was answered, in a few lines."""
    lines = [f"{attended.model} on {attended.dataset} {attended.sample.id}"]
    text = as_json(attended.sample)["inputs"].get(Modality.TEXT)
    lines += [_short(text)] if text is not None else []
    lines.append(f"answer: {_short(attended.prediction.value)} · right: {_target(attended.sample.target)}")
    return [printable(line) for line in lines]


def _target(target: Any) -> str:
    if target is None:
        return "not known"
    several = target if isinstance(target, list | tuple) else [target]
    return _short(", ".join(dict.fromkeys(map(str, several))))


def _short(text: str) -> str:
    return shorten(text, _TITLE, placeholder=" ...")


def _view(look: Look, attended: Attended) -> View:
    means = look.means()
    shares = {key: float(mean.sum()) for key, mean in means.items()}
    told = [printable(key) + (f" {percent(share)}" if len(shares) > 1 else "") for key, share in shares.items()]
    view = View(f"{printable(look.name)}: {printable(look.query)} → {', '.join(told)}")
    asking = attended.places[look.query]
    bars: list[tuple[str, float]] = []
    for key, mean in means.items():
        places = attended.places[key]
        if isinstance(places, Steps):
            view.tracks[key] = places.seconds, mean
        elif isinstance(places, Grid):
            unplaced = [f"{key} token {number}" for number in range(1, places.before + 1)]
            bars += zip(unplaced, mean.tolist(), strict=False)
            view.maps[key] = _map(mean, places)
            if look.query == Modality.TEXT and not isinstance(asking, Grid | Steps) and len(asking) <= _MOST:
                own = look.weights[key].mean(axis=0, dtype=np.float64)
                view.words[key] = [(printable(w), _map(row, places)) for w, row in zip(asking, own, strict=True)]
        else:
            bars += zip(map(printable, places), mean.tolist(), strict=True)
    view.bars = _fewer(bars)
    return view


def _map(shares: Shares, grid: Grid) -> Shares:
    return shares[grid.before :].reshape(grid.rows, grid.columns)


def _fewer(bars: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The greatest, in their order, and the rest as one."""
    if len(bars) <= _MOST:
        return list(bars)
    ranked = sorted(range(len(bars)), key=lambda index: -bars[index][1])
    rest = sum(bars[index][1] for index in ranked[_MOST:])
    return [*(bars[index] for index in sorted(ranked[:_MOST])), (f"{len(bars) - _MOST:,} more", rest)]
