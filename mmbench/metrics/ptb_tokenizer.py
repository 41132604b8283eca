"""The Penn Treebank tokenizer as the COCO caption evaluation runs it: Stanford CoreNLP 3.4.1, on Java."""

from collections.abc import Sequence
from pathlib import Path

from mmbench.errors import HarnessError
from mmbench.metrics.java import missing, package_file, run_lines

_JAR = "tokenizer/stanford-corenlp-3.4.1.jar"

# The evaluation also names -LRB-, -RRB-, -LCB- and -RCB-, which never occur once the tokens are in lower case: round
# and curly brackets stay, as -lrb- and so on. Scores here keep them too, to be equal.
_PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])


def ptb_missing() -> str | None:
    """What the tokenizer lacks; `None` where it can run."""
    return missing(_JAR)


def ptb_tokenize(captions: Sequence[str]) -> list[str]:
    r"""Tokens of each caption in lower case without punctuation, joined by spaces.

    All captions pass through one run of the program, a line each, as in pycocoevalcap. White space of any kind inside a
    caption becomes one space first: the program takes \r, \v, \f, U+0085, U+2028 and U+2029 for ends of line, by
    which every later caption would move on to the wrong image.

    Args:
        captions: any text; an empty one has no tokens.

    Raises:
        HarnessError: the program failed, or gave back another number of lines.
    """
    jar = package_file(_JAR)
    if jar is None:
        raise HarnessError(f"the PTB tokenizer needs {ptb_missing()}")
    program: list[str | Path] = ["-cp", jar, "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    lines = run_lines(program, [" ".join(caption.split()) for caption in captions])
    return [" ".join(token for token in line.split(" ") if token not in _PUNCTUATION) for line in lines]
