"""Transcripts as a recogniser of characters learns them."""

import unicodedata
from typing import Any

from .spoken_form import spoken_form


def transcript(target: Any) -> str:
    """Lower case, as it is said (`spoken_form`), of letters, apostrophes within words and single spaces alone."""
    text = unicodedata.normalize("NFC", spoken_form(str(target)))
    kept = "".join(character if _is_kept(character) else " " for character in text)
    return " ".join(word for part in kept.split() if (word := part.strip("'")))


def _is_kept(character: str) -> bool:
    return character == "'" or unicodedata.category(character)[0] in "LM"
