"""Sentences that tell a property of a digit, and leave five digits that have it."""

import numpy as np

KINDS = ("parity", "size")
"""What a sentence tells: whether the digit is even or odd, or whether it is below five or not."""

_SENTENCES = {
    "even": (
        "It is an even number.",
        "The number is even.",
        "This is not an odd number.",
        "You can halve it and get a whole number.",
        "Two divides it.",
    ),
    "odd": (
        "It is an odd number.",
        "The number is odd.",
        "This is not an even number.",
        "You cannot halve it and get a whole number.",
        "Two does not divide it.",
    ),
    "below five": (
        "It is less than five.",
        "The number is below five.",
        "This is at most four.",
        "It is not more than four.",
        "Five is more than this number.",
    ),
    "five or more": (
        "It is not less than five.",
        "The number is above four.",
        "This is at least five.",
        "It is more than four.",
        "Five is not more than this number.",
    ),
}


def hint(digit: int, kind: str, rng: np.random.RandomState) -> str:
    """A sentence about a digit, of one of `KINDS`."""
    true = {"parity": ("even", "odd")[digit % 2], "size": ("below five", "five or more")[digit >= 5]}
    choices = _SENTENCES[true[kind]]
    return choices[rng.randint(len(choices))]
