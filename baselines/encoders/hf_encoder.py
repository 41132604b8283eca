"""What the encoders of images, texts and sounds share that have a backbone of the transformers library."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmbench.adapters.hf.reading import split_revision
from mmbench.encoder import Encoder
from mmbench.errors import UsageError
from mmbench_baselines.encoders.hf_backbone import build_tower, load_tower, read, read_config
from mmbench_baselines.encoders.hf_files import from_files, to_files


class HFEncoder(Encoder):
    """A pretrained backbone, then a layer norm and a linear layer to the common width, which are new.

    `hf:NAME_OR_PATH` names a model of the Hugging Face hub (`hf:NAME@REVISION` one of its branches, tags or commits) or
    a folder made by `save_pretrained`. Only its encoder is taken: not the decoder of a model that has one, not the
    other tower of a model of two. A new model starts from its weights, which must be stored as safetensors; code that
    comes with a model is never run. A frozen backbone keeps its weights and stays in evaluation, while norm and linear
    layer learn. Frozen or not, the backbone's weights are part of the model's own; its configuration and what comes
    before it (tokenizer, image processor or feature extractor) are part of the options. So a weights file needs neither
    the hub nor the folder, of which it keeps the last part as a label.

    Class attributes:
        tower: what models of two towers call the one of this modality.
        reads: names of inputs that models of this modality have.
    """

    tower: ClassVar[str]
    reads: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        width: int,
        source: str = "",
        revision: str | None = None,
        config: Mapping[str, Any] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        """Args:
        width: D of the tokens.
        source: name on the hub, or folder; of a stored model its last part.
        revision: the commit on the hub, where there is one.
        config: of the backbone, as plain JSON.
        files: of what comes before it, text by name.

        Raises:
            UsageError: the backbone is for another modality, or none is given.
        """
        super().__init__(width)
        if not source or config is None or files is None:
            raise UsageError(
                f"an hf encoder of {self.modality} needs a model: expected {self.modality}=hf:NAME_OR_PATH"
            )
        self.source = source
        self.revision = revision
        self.files = {**files, "config.json": json.dumps(config)}
        self.pretrained = self._build(source, config)
        hidden = self.hidden_size()
        self.project = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, width))

    @classmethod
    def argument_options(cls, argument: str) -> dict[str, Any]:
        """The source, its commit, its configuration and the files of its processor.

        Raises:
            UsageError: there is no such model, or it is for another modality, or comes without its processor.
        """
        if not argument:
            raise UsageError(f"expected {cls.modality}=hf:NAME_OR_PATH, not an empty name")
        source, revision = split_revision(argument)
        config, revision = read_config(source, revision)
        with torch.device("meta"):
            cls._build(source, config)
        files = to_files(cls.load_processor(source, revision), source)
        return {"source": source, "revision": revision, "config": config, "files": files}

    @classmethod
    def stored_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Without the place of a folder."""
        folder = Path(options["source"])
        return {**options, "source": folder.resolve().name} if folder.is_dir() else dict(options)

    @classmethod
    def _build(cls, source: str, config: Mapping[str, Any]) -> nn.Module:
        try:
            return build_tower(config, cls.tower, cls.reads)
        except UsageError as error:
            raise UsageError(f"hf:{source} is no encoder of {cls.modality}: {error}") from error

    @classmethod
    @abstractmethod
    def load_processor(cls, source: str, revision: str | None) -> Any:
        """What comes before the backbone: tokenizer, image processor or feature extractor.

        Raises:
            UsageError: the source has none, or is not there.
        """

    @cached_property
    def processor(self) -> Any:
        """What comes before the backbone, made once a process."""
        return from_files(self.files, self.source, lambda folder: self.load_processor(folder, None))

    def hidden_size(self) -> int:
        """Width of what the backbone gives."""
        config: Any = self.pretrained.config
        return int(config.hidden_size)

    def load_pretrained(self, argument: str = "") -> None:
        """Load the backbone's weights from the source, and the processor, which loader workers then inherit.

        Args:
            argument: the source as the user wrote it, needed where the options keep no more than a folder's name.

        Raises:
            UsageError: the source is gone, or has no weights as safetensors.
        """
        _ = self.processor
        source = split_revision(argument)[0] if argument else self.source
        load_tower(self.pretrained, self.tower, source, self.revision)

    def backbone(self) -> nn.Module:
        """The pretrained part."""
        return self.pretrained

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and mask as `prepare` made them -> tokens [B, T, D] and mask [B, T]."""
        hidden, mask = self.encode(inputs, mask)
        tokens: Tensor = self.project(hidden)
        return tokens, mask

    @abstractmethod
    def encode(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and mask -> the backbone's last hidden states [B, T, H] and mask [B, T]."""


def read_processor(source: str, revision: str | None, what: str, auto_class: Any, **options: Any) -> Any:
    """The processor that one of transformers' `Auto` classes makes from the source.

    Raises:
        UsageError: the source has none, or is not there.
    """
    return read(source, revision, what, lambda *args, **more: auto_class.from_pretrained(*args, **more, **options))
