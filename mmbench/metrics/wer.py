"""Word error rate, from the alignment of jiwer."""

from typing import ClassVar

from mmbench.metrics.compounds import compound_edits
from mmbench.metrics.edits import Edits, ErrorRate


class WER(ErrorRate):
    """Word error rate: edits of words by words of the references, 0 for none; it can exceed 1.

    Words are what spaces separate after normalisation. Under `open-asr-subset` a word is also right when it is written
    as several, or several as one (`compound_edits`).
    """

    name: ClassVar[str] = "wer"
    unit: ClassVar[str] = "words"

    def edits(self, reference: str, hypothesis: str) -> Edits:
        """Edits of words, as `jiwer.process_words` counts them."""
        from jiwer import process_words  # noqa: PLC0415  # only runs with speech need it

        if self.chosen["normalizer"] == "open-asr-subset":
            found = compound_edits(reference.split(), hypothesis.split())
            if found is not None:
                return found
        counted = process_words(reference, hypothesis)
        return Edits(counted.substitutions, counted.deletions, counted.insertions, counted.hits)
