"""What each noise does, a line each, for those who choose one; nothing heavy is imported, since the help tells it."""

from collections.abc import Mapping

SUMMARIES: Mapping[str, Mapping[str, str]] = {
    "image": {
        "gaussian": "normal noise of each value, with a deviation of LEVEL times the full range",
        "blur": "a Gaussian blur, with a deviation of LEVEL times a quarter of the shorter side",
        "occlusion": "a grey rectangle at random over LEVEL of the area",
        "colour": "LEVEL of the way to channels that change places under a coloured light",
    },
    "text": {
        "swap": "a word and the next change places, with probability LEVEL",
        "typo": "a letter of a word becomes another, with probability LEVEL",
        "drop": "a word is left out, with probability LEVEL",
    },
    "audio": {
        "white": "white noise of LEVEL times the sound's RMS: an SNR of -20 log10(LEVEL) dB",
        "dropout": "silence in spans of 50 ms at random, LEVEL of the time",
    },
}
"""By modality and name, the same as in `mmbench.data.noise.NOISES`."""


def told_noises() -> str:
    """In one paragraph: `Noises: image=gaussian, normal noise of ...; image=blur, ...`."""
    noises = [(m, name, told) for m, found in SUMMARIES.items() for name, told in found.items()]
    return f"Noises: {'; '.join(f'{modality}={name}, {told}' for modality, name, told in noises)}."


def noise_names() -> str:
    """In one line: `image: gaussian, blur; text: swap`."""
    return "; ".join(f"{modality}: {', '.join(noises)}" for modality, noises in SUMMARIES.items())
