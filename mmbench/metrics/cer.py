"""Character error rate, from the alignment of jiwer."""

from typing import ClassVar

from mmbench.metrics.edits import Edits, ErrorRate


class CER(ErrorRate):
    """Character error rate: edits of characters by characters of the references, inner spaces included."""

    name: ClassVar[str] = "cer"
    unit: ClassVar[str] = "characters"

    def edits(self, reference: str, hypothesis: str) -> Edits:
        """Edits of characters, as `jiwer.process_characters` counts them."""
        from jiwer import process_characters  # noqa: PLC0415  # only runs with speech need it

        counted = process_characters(reference, hypothesis)
        return Edits(counted.substitutions, counted.deletions, counted.insertions, counted.hits)
