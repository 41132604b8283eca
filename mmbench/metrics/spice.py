"""SPICE: propositions about objects, attributes and relations that a caption shares with its references.

Anderson et al.: SPICE, Semantic Propositional Image Caption Evaluation, ECCV 2016, https://arxiv.org/abs/1607.08822.
The jar of pycocoevalcap parses and scores; it needs parts of Stanford CoreNLP that the package does not bring, and Java
8 to 11. Nothing is downloaded here.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from mmbench.errors import HarnessError, UsageError
from mmbench.metrics.captions import Captions, MeanCaptionMetric
from mmbench.metrics.java import find_java, missing, package_file, run_java, versions
from mmbench.metrics.metric import FloatArray

_JAR = "spice/spice-1.0.jar"
_PARSER = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


class SPICE(MeanCaptionMetric):
    """Mean over images of the F-score of propositions, 0 to 1."""

    most: ClassVar[float] = 1.0

    name: ClassVar[str] = "spice"

    def __init__(self, **chosen: str) -> None:
        """As `MeanCaptionMetric`.

        Raises:
            UsageError: as `MeanCaptionMetric`; or the program cannot run here, and what it lacks.
        """
        super().__init__(**chosen)
        lacking = _lacking()
        if lacking is not None:
            raise UsageError(f"metric spice needs {lacking}")

    def scores(self, captions: Captions) -> FloatArray:
        """The score of each image, [n]."""
        if not captions.candidates:
            return np.zeros(0)
        pairs = zip(captions.candidates, captions.references, strict=True)
        questions = [{"image_id": i, "test": test, "refs": refs} for i, (test, refs) in enumerate(pairs)]
        with TemporaryDirectory() as folder:
            asked, answered = Path(folder, "captions.json"), Path(folder, "scores.json")
            asked.write_text(json.dumps(questions), encoding="utf-8")
            run_java(["-Xmx8G", "-jar", package_file(_JAR) or _JAR, asked, "-out", answered, "-subset", "-silent"])
            return _read_scores(answered.read_text(encoding="utf-8"), len(questions))

    def settings(self) -> dict[str, Any]:
        """The tokenizer, and what the program runs by."""
        return super().settings() | versions()


def _read_scores(answer: str, n: int) -> FloatArray:
    """The F-scores of n images in the program's answer, [n].

    Raises:
        HarnessError: the answer has another form, or lacks an image.
    """
    try:
        found = {item["image_id"]: float(item["scores"]["All"]["f"]) for item in json.loads(answer)}
        return np.array([found[i] for i in range(n)])
    except (KeyError, TypeError, ValueError) as error:
        raise HarnessError(f"SPICE gave no score for each image: {error!r:.100}") from error


def _lacking() -> str | None:
    lacking = missing(_JAR)
    if lacking is not None:
        return lacking
    java = find_java()
    if java is None or not 8 <= java.version <= 11:
        return f"Java 8 to 11; java is version {java.version if java else 'unknown'}"
    absent = [name for name in _PARSER if package_file(f"spice/lib/{name}") is None]
    if absent:
        return f"{' and '.join(absent)} of stanford-corenlp-full-2015-12-09 in the folder spice/lib of pycocoevalcap"
    return None
