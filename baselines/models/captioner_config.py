"""How a captioner is built."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmbench.encoder import EncoderConfig
from mmbench.errors import UsageError


@dataclass(frozen=True, slots=True)
class CaptionerOptions:
    """What `--option` can set.

    Attributes:
        layers, heads, expansion, dropout: of the decoder; see `CaptionDecoder`.
        beam: texts that `beam_search` keeps.
        least: how often a word must occur in the training captions to be known.
    """

    layers: int = 2
    heads: int = 4
    expansion: int = 2
    dropout: float = 0.1
    beam: int = 5
    least: int = 2

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            UsageError: which one, and what was expected.
        """
        for name in ("layers", "heads", "expansion", "beam", "least"):
            if getattr(self, name) < 1:
                raise UsageError(f"option {name} of a captioner must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"option dropout of a captioner must be at least 0 and below 1, not {self.dropout}")


@dataclass(frozen=True, slots=True)
class CaptionerConfig:
    """All that is needed to build a `Captioner` again, as plain JSON.

    Attributes:
        words: that it knows.
        longest: words of a caption at most, as many as the longest training caption has.
        width: D of the encoders' tokens and of the decoder.
        frozen: modalities whose encoders did not learn.
    """

    encoders: dict[str, EncoderConfig]
    words: list[str]
    longest: int
    width: int
    options: CaptionerOptions
    frozen: list[str] = field(default_factory=list)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "CaptionerConfig":
        """Inverse of `asdict`."""
        encoders = {modality: EncoderConfig(**encoder) for modality, encoder in data["encoders"].items()}
        return cls(**{**data, "encoders": encoders, "options": CaptionerOptions(**data["options"])})
