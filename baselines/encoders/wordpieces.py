"""Word pieces by the `tokenizers` library: learned from texts, always the same from the same texts, and read back."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer

_UNKNOWN = "[UNK]"
_INSIDE = "##"  # marks a piece that begins within a word


class WordPieces:
    """Texts as BERT reads them: lower case without accents, apart at spaces and punctuation, then in pieces.

    A word is the longest piece that it begins with, the longest that the rest begins with, and so on. A word that no
    pieces spell, or of more than 100 characters, is one unknown token.
    """

    def __init__(self, pieces: Sequence[str], unknown: int) -> None:
        """Args: pieces: piece i has the index `unknown` + 1 + i; unknown: index of what they do not spell."""
        index = {piece: number for number, piece in enumerate(pieces, start=unknown + 1)}
        self._tokenizer = _tokenizer({_UNKNOWN: unknown, **index})

    def indices(self, text: str) -> list[int]:
        """The text's pieces, in order."""
        indices: list[int] = self._tokenizer.encode(_encodable(text)).ids
        return indices

    def spans(self, text: str) -> list[str]:
        """What each piece stands for in the text, in order."""
        text = _encodable(text)
        return [text[start:end] for start, end in self._tokenizer.encode(text).offsets]


def learn_pieces(texts: Iterable[str], most: int, characters: int) -> list[str]:
    """Pieces that spell the words of `texts`, sorted: single characters, and what stands together most often.

    Args:
        texts: to learn from; their order does not matter, and a text that is there twice counts once.
        most: pieces at most, no fewer than twice `characters`.
        characters: the most frequent that are taken up.
    """
    tokenizer = _tokenizer({_UNKNOWN: 0})
    distinct = sorted({_encodable(text) for text in texts})
    counts: Counter[str] = Counter()
    for text in distinct:
        counts.update(tokenizer.normalizer.normalize_str(text))
    del counts[" "]  # the only space that is left
    alphabet = sorted(counts, key=lambda character: (-counts[character], character))[:characters]
    # The trainer numbers the pieces within words as it meets them, in the changing order of a hash table, and breaks
    # ties by number. Declared beforehand, in order, they are numbered alike each time.
    declared = [_UNKNOWN, *(_INSIDE + character for character in sorted(alphabet) if _joins(tokenizer, character))]
    trainer = WordPieceTrainer(
        vocab_size=most + 1,
        min_frequency=2,
        special_tokens=declared,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(distinct, trainer)
    return sorted(tokenizer.get_vocab().keys() - {_UNKNOWN})


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(vocab=vocabulary, unk_token=_UNKNOWN, max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def _encodable(text: str) -> str:
    """The text with ? for half a surrogate pair, which JSON can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _joins(tokenizer: Tokenizer, character: str) -> bool:
    """Whether a character can stand within a word, as no punctuation can."""
    after_letter = tokenizer.normalizer.normalize_str("a" + character)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(after_letter)] == ["a" + character]
