"""Text encoder: any language model of the transformers library."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmbench.attention import Places
from mmbench.errors import UsageError
from mmbench.fusion import present
from mmbench_baselines.checks import require_positive
from mmbench_baselines.encoders.hf_encoder import HFEncoder, read_processor


class HFText(HFEncoder):
    """Text backbone by name: BERT, RoBERTa, MiniLM, the encoder of T5, GPT-2, the text tower of CLIP, ...

    Tokens are the last hidden states of all tokens of the model's own tokenizer, the special ones included. An empty
    text has the special ones alone; a missing one has none.
    """

    modality = "text"
    tower = "text_model"
    reads = ("input_ids",)

    def __init__(
        self,
        width: int,
        source: str = "",
        revision: str | None = None,
        config: Mapping[str, Any] | None = None,
        files: Mapping[str, str] | None = None,
        longest: int = 512,
    ) -> None:
        """Args:
        width: D of the tokens.
        source: name on the hub, or folder; of a stored model its last part.
        revision: the commit on the hub, where there is one.
        config: of the backbone, as plain JSON.
        files: of its tokenizer, text by name.
        longest: tokens of a text that are read, if the model can read as many; what comes after them is cut off.

        Raises:
            UsageError: the backbone is for another modality, or none is given.
            ValueError: `longest` is below 1.
        """
        super().__init__(width, source, revision, config, files)
        require_positive(longest=longest)
        self.longest = longest

    @classmethod
    def argument_options(cls, argument: str) -> dict[str, Any]:
        """The source, its commit and its configuration, without the cache that only generating text needs."""
        options = super().argument_options(argument)
        if "use_cache" in options["config"]:
            options["config"]["use_cache"] = False
        return options

    @classmethod
    def load_processor(cls, source: str, revision: str | None) -> Any:
        """The tokenizer."""
        from transformers import AutoTokenizer  # noqa: PLC0415  # transformers takes seconds to import

        tokenizer = read_processor(source, revision, "tokenizer", AutoTokenizer)
        # Without its files transformers makes one of special tokens alone, and at most the mark of a word's start.
        if len(tokenizer) <= len(set(tokenizer.all_special_tokens)) + 1:
            raise UsageError(
                f"hf:{source}: cannot load its tokenizer: it has no vocabulary; expected its tokenizer.json"
            )
        return tokenizer

    def length(self, value: Any) -> int:
        """Its tokens."""
        return len(self._tokenize([value])[0])

    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Texts to token indices int64 [B, T], padded on the right, T the longest (at least 1), and mask [B, T]."""
        found = iter(self._tokenize([value for value in values if value is not None]))
        rows = [[] if value is None else next(found) for value in values]
        padding = self.processor.pad_token_id
        shape = len(rows), max([1, *map(len, rows)])
        indices = torch.full(shape, 0 if padding is None else padding, dtype=torch.int64)
        mask = torch.zeros(shape, dtype=torch.bool)
        for index, row in enumerate(rows):
            indices[index, : len(row)] = torch.tensor(row, dtype=torch.int64)
            mask[index, : len(row)] = True
        return indices, mask

    def places(self, value: Any, count: int) -> Places:
        """The tokens as the model's tokenizer writes them, the special ones included."""
        return [str(token) for token in self.processor.convert_ids_to_tokens(self._tokenize([value])[0])][:count]

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        config: Any = self.pretrained.config
        limits = self.longest, self.processor.model_max_length, getattr(config, "max_position_embeddings", None)
        most = min(limit for limit in limits if limit is not None and limit > 0)
        rows: list[list[int]] = self.processor(texts, truncation=True, max_length=most)["input_ids"]
        return rows

    def encode(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Indices [B, T] and mask [B, T] -> hidden states [B, T, H] and the same mask."""
        # A softmax over no token at all is NaN, so where the text is missing every (masked) token answers.
        answers = (mask | ~present(mask).unsqueeze(1)).to(torch.int64)
        hidden: Tensor = self.pretrained(input_ids=inputs, attention_mask=answers).last_hidden_state
        return hidden, mask
