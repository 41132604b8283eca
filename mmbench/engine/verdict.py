"""What a diagnosis shows, in words: rules on intervals alone, so that nothing is said that they do not show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mmbench.errors import join_names
from mmbench.record.diagnosis import Interaction, Measure

HARDLY = 0.02
"""An effect whose whole interval is below this share of the metric is called hardly any."""

ENOUGH = 150
"""Independent units (clusters, and samples that stand alone) from which on no change in any of them shows that fewer
than `HARDLY` of all change: 3 / n is the upper bound at 95 % (the rule of three: Hanley & Lippman-Hand 1983)."""

Effect = Literal["unread", "nothing", "hardly", "unclear", "matters", "worse"]
Interplay = Literal["unknown", "interact", "additive", "hurts", "unclear"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found of one modality.

    Attributes:
        share: of the metric that is lost where the modality is shuffled or missing; `None` where the model does not
            read the modality, or that was not measured.
        altered: the metric then.
        changed: samples that then get another answer or score.
        units: clusters, and samples that stand alone, among those that the metric is about.
        done: what was done, for the sentence: `shuffling` or `masking`.
    """

    share: Measure | None
    altered: float | None
    changed: int
    units: int
    done: str = "shuffling"


@dataclass(frozen=True, slots=True)
class Scale:
    """The metric that all is about: its name, its value where nothing is altered, and whether more of it is better."""

    metric: str
    clean: float | None
    higher_is_better: bool = True


def effect(evidence: Evidence, reads: bool, scale: Scale) -> Effect:
    """Which of six things the interval of a modality's effect shows.

    - `unread`: the model does not read the modality.
    - `nothing`: no sample gets another answer or score.
    - `hardly`: the whole interval lies within `HARDLY` of 0.
    - `matters`: the whole interval is on the side where the metric is lost.
    - `worse`: the whole interval is on the side where the metric is better without.
    - `unclear`: none of these.
    """
    if not reads:
        return "unread"
    share = evidence.share
    if share is None or share.value is None:
        return "unclear"
    if not evidence.changed:
        return "nothing"
    if share.low is None or share.high is None:
        return "unclear"
    low, high = sorted(_sign(scale) * bound for bound in (share.low, share.high))
    if low > -HARDLY and high < HARDLY:
        return "hardly"
    return "matters" if low > 0 else "worse" if high < 0 else "unclear"


def interplay(found: Interaction | None, scale: Scale, units: int) -> Interplay:
    """Which of five things the interval of the interaction gain shows, as `effect` has it for a modality.

    Args:
        found: the additive part.
        scale: the metric.
        units: clusters, and samples that stand alone, that it was measured on.
    """
    if found is None or found.gain.value is None:
        return "unknown"
    if not found.changed:
        return "additive" if units >= ENOUGH else "unclear"
    if found.gain.low is None or found.gain.high is None:
        return "unclear"
    margin = HARDLY * abs(found.full.value or 0.0)
    low, high = sorted(_sign(scale) * bound for bound in (found.gain.low, found.gain.high))
    if low > -margin and high < margin:
        return "additive"
    return "interact" if low > 0 else "hurts" if high < 0 else "unclear"


def verdict(
    evidence: Mapping[str, Evidence],
    reads: Sequence[str],
    interaction: Interaction | None,
    scale: Scale,
    units: int = 0,
) -> str:
    """One or two plain sentences.

    Args:
        evidence: by modality, of all that the samples have.
        reads: those that the model reads.
        interaction: its additive part, where that was measured.
        scale: the metric.
        units: clusters, and samples that stand alone, that the additive part was measured on.
    """
    if not reads:
        return f"Uses no input: it reads none of {join_names(list(evidence))}."
    effects = {name: effect(found, name in reads, scale) for name, found in evidence.items()}
    used = [name for name, found in effects.items() if found == "matters"]
    found = interplay(interaction, scale, units)
    inline, sentence = _together(used, len(used) == len(effects), interaction, found)
    if all(found.share is None for name, found in evidence.items() if name in reads):
        told = f"Reads {join_names(list(reads))}; what it uses of that was not measured"
    else:
        told = _uses(used, inline, effects, evidence, scale)
    return " ".join([f"{told}.", *sentence])


def _uses(
    used: Sequence[str], inline: str, effects: Mapping[str, Effect], evidence: Mapping[str, Evidence], scale: Scale
) -> str:
    """What matters, then each of the others with why it is not among that."""
    others = [name for name in effects if name not in used]
    between = ": "
    if not used:
        felt = any(found.changed for found in evidence.values())
        first = "No input is shown to help" if felt else "No use of any input is shown"
    else:
        only = others and all(_shows_no_use(effects[name], evidence[name]) for name in others)
        first = f"Uses {join_names(used)}{' only' if only else ''}{inline}"
        between = ": " if only else "; "
    if not others:
        return first
    return f"{first}{between}{'; '.join(_other(name, effects[name], evidence[name], scale) for name in others)}"


def _shows_no_use(found: Effect, evidence: Evidence) -> bool:
    """Whether a modality is not used: it is not read, or changes nothing on units enough to say so."""
    return found == "unread" or (found == "nothing" and evidence.units >= ENOUGH)


def _other(name: str, found: Effect, evidence: Evidence, scale: Scale) -> str:
    """What is known of a modality that is not shown to matter."""
    against = f"({scale.metric} {figure(evidence.altered)} against {figure(scale.clean)})"
    share = evidence.share
    if found == "unread":
        return f"it does not read {name}"
    if found == "nothing":
        return f"{evidence.done} {name} changes no answer {against}"
    if found == "hardly":
        return f"{name} hardly matters, {evidence.done} it changes less than {100 * HARDLY:g} % {against}"
    if found == "worse":
        return f"{evidence.done} {name} makes it better {against}"
    if share is None or share.value is None:
        return f"whether it uses {name} is not clear"
    if share.low is None or share.high is None:
        return (
            f"{evidence.done} {name} changes {evidence.changed:,} of {share.n:,} answers {against}, "
            "and whether that costs anything is not clear"
        )
    low, high = sorted(100 * _sign(scale) * bound for bound in (share.low, share.high))
    costs = f"{evidence.done} it costs {100 * _sign(scale) * share.value:.1f} %"
    return f"whether it uses {name} is not clear, {costs} ({100 * share.level:g} %: {low:.1f} to {high:.1f} %)"


def _together(
    used: Sequence[str], no_others: bool, interaction: Interaction | None, found: Interplay
) -> tuple[str, list[str]]:
    """How modalities work together: what follows their names, and a sentence of its own; either may be empty."""
    if interaction is None or found == "unknown":
        return "", []
    measured = interaction.gain
    gain = f"EMAP gain {signed(measured.value)}"
    several = len(used) > 1
    if found == "interact":
        return (f", and their interaction ({gain})", []) if several else ("", [f"Its inputs interact ({gain})."])
    if found == "hurts":
        return "", [f"Without the interaction of its inputs it would be better ({gain})."]
    if not several:
        return "", []
    if found == "additive":
        alone = f"additive part alone does as well ({gain})"
        return (f"; their {alone}", []) if no_others else ("", [f"Its {alone}."])
    bounds = ""
    if measured.low is not None and measured.high is not None:
        bounds = f", {100 * measured.level:g} %: {signed(measured.low)} to {signed(measured.high)}"
    return "", [f"Whether they interact is not clear ({gain}{bounds})."]


def figure(value: float | None) -> str:
    """A metric in a sentence: three digits after the point."""
    return "undefined" if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """A difference in a sentence."""
    return "undefined" if value is None else f"{value + 0.0:+.3f}"


def _sign(scale: Scale) -> int:
    return 1 if scale.higher_is_better else -1
