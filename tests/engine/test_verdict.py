"""The verdict on planted cases: it says what intervals show, and no more."""

import pytest

from mmbench.engine.verdict import Evidence, Scale, effect, interplay, verdict
from mmbench.record.diagnosis import Interaction, Measure

SCALE = Scale("accuracy", 0.671)


def measure(value, low=None, high=None, n=1000):
    return Measure(value=value, low=low, high=high, level=0.95, n=n, method="bootstrap")


def evidence(value, low=None, high=None, changed=50, altered=None, done="shuffling"):
    return Evidence(
        measure(value, low, high), 0.671 * (1 - (value or 0)) if altered is None else altered, changed, 1000, done
    )


def interaction(gain, low=None, high=None, changed=50, full=0.9):
    return Interaction(
        full=measure(full),
        additive=measure(full - gain),
        gain=measure(gain, low, high),
        changed=changed,
        recombined="tokens",
    )


MATTERS = evidence(0.4, 0.3, 0.5)
NOTHING = evidence(0.0, changed=0)
HARDLY = evidence(0.001, -0.01, 0.015)
UNCLEAR = evidence(0.03, -0.01, 0.07)
WORSE = evidence(-0.1, -0.15, -0.05)
UNREAD = NOTHING


@pytest.mark.parametrize(
    ("found", "reads", "expected"),
    [
        (MATTERS, True, "matters"),
        (evidence(0.004, 0.001, 0.03), True, "matters"),
        (NOTHING, True, "nothing"),
        (NOTHING, False, "unread"),
        (HARDLY, True, "hardly"),
        (evidence(0.01, 0.005, 0.019), True, "hardly"),
        (UNCLEAR, True, "unclear"),
        (WORSE, True, "worse"),
        # No interval, as of one cluster, shows nothing: some samples were scored otherwise.
        (evidence(0.0, changed=2), True, "unclear"),
        (evidence(0.9, changed=2), True, "unclear"),
        (Evidence(None, None, 0, 1000), True, "unclear"),
        (evidence(None), True, "unclear"),
    ],
)
def test_effect_of_a_modality(found, reads, expected):
    assert effect(found, reads, SCALE) == expected


def test_effects_turn_round_where_less_is_better():
    """A word error rate that rises from .2 to .3 is a loss, though the share is negative."""
    scale = Scale("wer", 0.2, higher_is_better=False)
    assert effect(evidence(-0.5, -0.6, -0.4), True, scale) == "matters"
    assert effect(evidence(0.5, 0.4, 0.6), True, scale) == "worse"
    assert interplay(interaction(-0.1, -0.2, -0.05), scale, 1000) == "interact"
    told = verdict({"image": evidence(-0.03, -0.07, 0.01)}, ["image"], None, scale)
    assert "shuffling it costs 3.0 % (95 %: -1.0 to 7.0 %)" in told


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, "unknown"),
        (interaction(0.31, 0.28, 0.34), "interact"),
        (interaction(0.0, changed=0), "additive"),
        (interaction(0.001, -0.01, 0.012), "additive"),
        (interaction(0.01, -0.02, 0.04), "unclear"),
        (interaction(0.0, changed=4), "unclear"),
        (interaction(-0.1, -0.15, -0.05), "hurts"),
    ],
)
def test_interplay_of_modalities(found, expected):
    assert interplay(found, SCALE, 1000) == expected


BOTH = ["image", "text"]


@pytest.mark.parametrize(
    ("image", "text", "reads", "found", "expected"),
    [
        (
            NOTHING,
            MATTERS,
            BOTH,
            interaction(0.0, changed=0),
            "Uses text only: shuffling image changes no answer (accuracy 0.671 against 0.671).",
        ),
        (UNREAD, MATTERS, ["text"], None, "Uses text only: it does not read image."),
        (
            MATTERS,
            MATTERS,
            BOTH,
            interaction(0.31, 0.28, 0.34),
            "Uses image and text, and their interaction (EMAP gain +0.310).",
        ),
        (
            MATTERS,
            MATTERS,
            BOTH,
            interaction(0.0, changed=0),
            "Uses image and text; their additive part alone does as well (EMAP gain +0.000).",
        ),
        (MATTERS, MATTERS, BOTH, None, "Uses image and text."),
        (
            MATTERS,
            MATTERS,
            BOTH,
            interaction(0.01, -0.02, 0.04),
            "Uses image and text. Whether they interact is not clear (EMAP gain +0.010, 95 %: -0.020 to +0.040).",
        ),
        (
            MATTERS,
            MATTERS,
            BOTH,
            interaction(-0.1, -0.15, -0.05),
            "Uses image and text. Without the interaction of its inputs it would be better (EMAP gain -0.100).",
        ),
        (
            MATTERS,
            HARDLY,
            BOTH,
            interaction(0.0, changed=0),
            "Uses image; text hardly matters, shuffling it changes less than 2 % (accuracy 0.670 against 0.671).",
        ),
        (
            MATTERS,
            UNCLEAR,
            BOTH,
            None,
            "Uses image; whether it uses text is not clear, shuffling it costs 3.0 % (95 %: -1.0 to 7.0 %).",
        ),
        (
            MATTERS,
            UNCLEAR,
            BOTH,
            interaction(0.05, 0.03, 0.08),
            "Uses image; whether it uses text is not clear, shuffling it costs 3.0 % (95 %: -1.0 to 7.0 %). "
            "Its inputs interact (EMAP gain +0.050).",
        ),
        (
            MATTERS,
            evidence(0.0, changed=12, altered=0.671),
            BOTH,
            None,
            "Uses image; shuffling text changes 12 of 1,000 answers (accuracy 0.671 against 0.671), and whether that "
            "costs anything is not clear.",
        ),
        (
            NOTHING,
            HARDLY,
            BOTH,
            None,
            "No input is shown to help: shuffling image changes no answer (accuracy 0.671 against 0.671); text hardly "
            "matters, shuffling it changes less than 2 % (accuracy 0.670 against 0.671).",
        ),
        (MATTERS, WORSE, BOTH, None, "Uses image; shuffling text makes it better (accuracy 0.738 against 0.671)."),
        (
            NOTHING,
            NOTHING,
            BOTH,
            None,
            "No use of any input is shown: shuffling image changes no answer (accuracy 0.671 against 0.671); "
            "shuffling text changes no answer (accuracy 0.671 against 0.671).",
        ),
        (UNREAD, UNREAD, [], None, "Uses no input: it reads none of image and text."),
        (
            Evidence(None, None, 0, 1000),
            Evidence(None, None, 0, 1000),
            BOTH,
            interaction(0.31, 0.28, 0.34),
            "Reads image and text; what it uses of that was not measured. Its inputs interact (EMAP gain +0.310).",
        ),
        (
            evidence(0.0, changed=0, done="masking"),
            MATTERS,
            BOTH,
            None,
            "Uses text only: masking image changes no answer (accuracy 0.671 against 0.671).",
        ),
    ],
)
def test_sentences(image, text, reads, found, expected):
    assert verdict({"image": image, "text": text}, reads, found, SCALE, 1000) == expected


def test_three_modalities():
    three = {"image": MATTERS, "audio": NOTHING, "text": MATTERS}
    assert verdict(three, list(three), interaction(0.1, 0.05, 0.15), SCALE) == (
        "Uses image and text only, and their interaction (EMAP gain +0.100): "
        "shuffling audio changes no answer (accuracy 0.671 against 0.671)."
    )
    assert verdict(three, list(three), interaction(0.0, changed=0), SCALE, 1000) == (
        "Uses image and text only: shuffling audio changes no answer (accuracy 0.671 against 0.671). "
        "Its additive part alone does as well (EMAP gain +0.000)."
    )
    assert verdict(dict.fromkeys(three, MATTERS), list(three), None, SCALE) == "Uses image, audio and text."


def test_few_units_show_no_absence():
    """None changed of 1,000 samples in 100 clusters: those of 3 % of the clusters may, by the rule of three."""
    few = Evidence(measure(0.0, n=1000), 0.671, 0, 100)
    told = verdict({"image": few, "text": MATTERS}, BOTH, None, SCALE)
    assert told == "Uses text; shuffling image changes no answer (accuracy 0.671 against 0.671)."
    unchanged = interaction(0.0, changed=0)
    assert interplay(unchanged, SCALE, 150) == "additive"
    assert interplay(unchanged, SCALE, 149) == "unclear"


def test_one_modality_that_matters():
    assert verdict({"audio": MATTERS}, ["audio"], None, SCALE) == "Uses audio."
