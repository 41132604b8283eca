"""Text encoder: BERT over learned word pieces."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor
from transformers import BertConfig, BertModel

from mmbench.attention import Places
from mmbench.fusion import present
from mmbench_baselines.checks import require_positive
from mmbench_baselines.encoders.parts import projection
from mmbench_baselines.encoders.wordpieces import WordPieces, learn_pieces
from mmbench_baselines.encoders.words import UNKNOWN, TextEncoder
from mmbench_baselines.fusions.transformer_block import fitting_heads

_PIECES = 4096
_CHARACTERS = 1000


class BERT(TextEncoder):
    """BERT's architecture (Devlin et al. 2019), transformers' `BertModel`, small and from random weights.

    One token a word piece, projected to D where `hidden` is not D; no class or separator token, since the fusion does
    the pooling. The pieces, 4,096 at most, are learned from the training texts. There are `positions` of them to a
    text; those after the last are left out. Padding answers no query, so no piece's output depends on it.
    """

    def __init__(
        self,
        width: int,
        vocabulary: Sequence[str],
        layers: int = 2,
        hidden: int = 64,
        heads: int = 4,
        positions: int = 128,
        dropout: float = 0.1,
    ) -> None:
        """Args:
            width: D of the tokens.
            vocabulary: word pieces; those within words begin with ##.
            layers: number of layers.
            hidden: their width; the feed-forward layers are 4 x as wide.
            heads: of attention at most; the largest number that divides `hidden` is taken.
            positions: pieces that are read of a text.
            dropout: share of activations and of attention that is dropped in training.

        Raises:
            ValueError: an option is below 1, or `dropout` is not from 0 to 1.
        """
        super().__init__(width)
        require_positive(layers=layers, hidden=hidden, heads=heads, positions=positions)
        self.positions = positions
        self._pieces = WordPieces(vocabulary, UNKNOWN)
        config = BertConfig(
            vocab_size=len(vocabulary) + UNKNOWN + 1,
            num_hidden_layers=layers,
            hidden_size=hidden,
            num_attention_heads=fitting_heads(hidden, heads),
            intermediate_size=4 * hidden,
            max_position_embeddings=positions,
            type_vocab_size=1,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
        self.network = BertModel(config, add_pooling_layer=False)
        self.project = projection(hidden, width)

    @classmethod
    def learn_options(cls, values: Iterable[Any]) -> dict[str, Any]:
        """Word pieces of the training texts."""
        texts = (text for text in values if text is not None)
        return {"vocabulary": learn_pieces(texts, _PIECES, _CHARACTERS)}

    def indices(self, text: str) -> list[int]:
        """Its word pieces, up to the last position."""
        return self._pieces.indices(text)[: self.positions]

    def places(self, value: Any, count: int) -> Places:
        """The pieces as they stand in the text."""
        return self._pieces.spans(value)[:count]

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Indices [B, T] -> the last layer's outputs [B, T, D] and the same mask."""
        # A softmax over no token at all is NaN, so where the text is missing every (masked) token answers.
        answers = mask | ~present(mask).unsqueeze(1)
        tokens = self.network(inputs, attention_mask=answers).last_hidden_state
        return self.project(tokens), mask
