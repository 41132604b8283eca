"""Who speaks in generated data sets: variants of eSpeak NG, each with the accent of one of its English voices.

A variant sets pitch, formants and voicing, so it is in effect a speaker. No variant is in two splits, and variants
that sound nearly alike (m1 to m6, say; told by the distance of their mean log spectra) are in the same split. Variants
that are no plain human voice (robots, whispers) are left out, and so are those with breath noise (f2, f3, f5), which
is another one each time that they speak.
"""

_ACCENTS = (
    "en-us",
    "en",  # British
    "en-gb-scotland",
    "en-gb-x-rp",  # Received Pronunciation
    "en-029",  # Caribbean
    "en-us-nyc",  # New York City
    "en-gb-x-gbcwmd",  # West Midlands
    "en-gb-x-gbclan",  # Lancaster
)
_VARIANTS = {
    "train": "f1 f4 aunty anika linda belinda m1 m2 m3 m4 m5 m6 john Mike adam edward Reed Diogo mike2 Alex Gene "
    "paul iven kaukovalta klatt3",
    "validation": "shelby boris klatt ian pedro",
    "test": "Andrea Annie grandma steph Andy Gene2 Jacky Lee Michael Mario quincy rob max robert m7 Denis m8 Nguyen "
    "david ed gustave norbert travis antonio marcelo",
}

VOICES: dict[str, tuple[str, ...]] = {
    split: tuple(f"{_ACCENTS[index % len(_ACCENTS)]}+{variant}" for index, variant in enumerate(names.split()))
    for split, names in _VARIANTS.items()
}
"""Names of voices by split, as `Espeak.say` takes them: 25 train, 5 validation, 25 test."""
