"""Encoders: one modality's raw values to tokens of a common width, and how the user names them."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from mmbench.attention import Places
from mmbench.checkpoint import Header, file_sha256, load_tensors, read_weights
from mmbench.errors import UsageError, unknown_name
from mmbench.model import BuildOptions
from mmbench.registry import registry
from mmbench.sample import Dataset
from mmbench.setting import parameter_of, read_settings

_FROM = "from"
"""`from:FILE` takes the encoder of a weights file: pre-trained on one task, used on another."""

_SHOWN = 5  # entries that a note names
_COMMA = re.compile(r",(?![^\[]*\])")  # one within brackets belongs to a list


class Encoder(nn.Module, ABC):
    """Base of every encoder of one modality: raw values in, tokens of the common width out."""

    modality: ClassVar[str]

    def __init__(self, width: int) -> None:
        """Args: width: D of the tokens that come out."""
        super().__init__()
        self.width = width
        self.frozen = False

    @classmethod
    def learn_options(cls, values: Iterable[Any]) -> dict[str, Any]:
        """Options that must be known from the training values before construction (a vocabulary)."""
        return {}  # an encoder of fixed shape needs none

    @classmethod
    def argument_options(cls, argument: str) -> dict[str, Any]:
        """Options that the user's `NAME:ARGUMENT` stands for.

        Raises:
            UsageError: the encoder takes no argument.
        """
        raise UsageError(f"encoder {cls.__name__} takes no argument, but was given {argument!r}")

    @classmethod
    def stored_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """What a weights file keeps of `argument_options`: nothing that holds on this machine alone, as a path does."""
        return dict(options)

    def load_pretrained(self, argument: str = "") -> None:
        """Fetch weights from elsewhere, once, when a new model is made; without any they stay random.

        Args:
            argument: what stood after the colon in `NAME:ARGUMENT`, which the encoder's own options need not tell.
        """

    def backbone(self) -> nn.Module:
        """The part that `freeze` keeps as it is: all, unless a pretrained part has layers of ours after it."""
        return self

    def freeze(self) -> None:
        """Take the backbone out of training: no gradients, and batch norm and dropout as in evaluation."""
        self.frozen = True
        self.backbone().requires_grad_(False)
        self.backbone().eval()

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation; a frozen backbone stays in evaluation."""
        super().train(mode)
        if self.frozen:
            nn.Module.train(self.backbone(), mode=False)  # not eval(), which would come back here
        return self

    def length(self, value: Any) -> int:
        """How many tokens a value gives, so that like is batched with like; 0 where all give as many."""
        return 0

    def places(self, value: Any, count: int) -> Places | None:
        """What the `count` tokens of a value are, for people who look at attention; `None` where that cannot be told.

        Args:
            value: a raw value that `prepare` took.
            count: its tokens, those under a mask left out.
        """
        return None

    @abstractmethod
    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Batch B raw values, `None` where missing, in a loader worker -> inputs [B, ...] and mask [B] or [B, T]."""

    @abstractmethod
    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and mask as `prepare` made them -> tokens [B, T, D] and their mask [B, T]."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """An encoder by its registered name, with its options."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, width: int) -> Encoder:
        """The encoder with random weights.

        Raises:
            UsageError: no such encoder, or an option that it does not have or cannot take.
        """
        encoder_class: type[Encoder] = registry.load("encoder", self.name)
        for option in self.options:
            parameter_of(f"encoder {self.name!r}", encoder_class, option)
        try:
            return encoder_class(width=width, **self.options)
        except (TypeError, ValueError) as error:
            raise UsageError(f"encoder {self.name!r} cannot be built: {error}") from error


def choose_encoders(modalities: Sequence[str], samples: Dataset, build: BuildOptions) -> dict[str, EncoderConfig]:
    """The encoder of each modality: as `build` names it, else the one registered under the modality's own name.

    Raises:
        UsageError: no such encoder, one of another modality, an option that it does not have or a value of the wrong
            type for it, a file without that encoder, or an encoder or a freeze for a modality that the model does not
            read.
    """
    for option, named in (("--encoder", build.encoders), ("--freeze", build.freeze)):
        for modality in named:
            if modality not in modalities:
                raise unknown_name(f"modality in {option}", modality, modalities)
    for modality in modalities:
        if modality not in build.encoders and modality not in registry.names("encoder"):
            raise UsageError(f"no encoder is the default of {modality!r}; name one: --encoder {modality}=NAME")
    return {m: _choose(m, build.encoders.get(m, m), samples) for m in modalities}


def _choose(modality: str, spec: str, samples: Dataset) -> EncoderConfig:
    head, *settings = _COMMA.split(spec)
    name, colon, argument = head.partition(":")
    if name == _FROM:
        file = spec.partition(":")[2]
        if settings and not Path(file).expanduser().exists():  # a path may have commas, too
            raise UsageError(
                f"--encoder {modality}={spec}: an encoder from a file has the options that it was made with"
            )
        return _stored(modality, file).config
    name = encoder_name(modality, spec)
    encoder_class: type[Encoder] = registry.load("encoder", name)
    if name == encoder_class.modality:  # what is stored names the thing itself: the default may come to be another
        name = registry.own_name("encoder", name)
    if encoder_class.modality != modality:
        raise UsageError(f"encoder {name!r} encodes {encoder_class.modality}, not {modality}")
    set_by_hand = read_settings(f"encoder {name!r}", encoder_class, settings)
    options = encoder_class.stored_options(encoder_class.argument_options(argument)) if colon else {}
    for option in set_by_hand:
        if option in options:
            raise UsageError(f"encoder {name!r}: {option} follows from {argument!r} and cannot be set beside it")
    options |= encoder_class.learn_options(samples[index].inputs.get(modality) for index in range(len(samples)))
    return EncoderConfig(name, options | set_by_hand)


def encoder_name(modality: str, spec: str) -> str:
    """The registered name of the encoder that a `NAME[:ARGUMENT][,OPTION=VALUE]` stands for; `hf-image` for `hf`.

    Raises:
        UsageError: it is from a file, which cannot be read or has no such encoder.
    """
    name = _COMMA.split(spec)[0].partition(":")[0]
    if name == _FROM:
        return _stored(modality, spec.partition(":")[2]).config.name
    names = registry.names("encoder")
    return f"{name}-{modality}" if name not in names and f"{name}-{modality}" in names else name


def chosen_width(build: BuildOptions, default: int) -> int:
    """D of a new model: what the user says, else that of an encoder from a file, else the default."""
    if build.width is not None:
        return build.width
    for modality, spec in build.encoders.items():
        name, _, file = spec.partition(":")
        if name == _FROM and isinstance(width := _stored(modality, file).width, int):
            return width
    return default


def start_encoders(encoders: Mapping[str, Encoder], build: BuildOptions) -> None:
    """Give the encoders of a new model the weights that they start from, and freeze those that shall not learn.

    Raises:
        UsageError: pretrained weights cannot be had, or are of another width.
    """
    for modality, encoder in encoders.items():
        spec = build.encoders.get(modality, "")
        name, _, file = spec.partition(":")
        if name == _FROM:
            _stored(modality, file).load(encoder)
        else:
            encoder.load_pretrained(_COMMA.split(spec)[0].partition(":")[2])
        if modality in build.freeze:
            encoder.freeze()
    _read.cache_clear()  # the tensors are in their places


def unknown_words(build: BuildOptions, samples: Dataset) -> list[str]:
    """A note for each encoder from a file that does not know all that an encoder of these samples would learn."""
    notes = []
    for modality, spec in build.encoders.items():
        name, _, file = spec.partition(":")
        if name != _FROM:
            continue
        config = _stored(modality, file).config
        encoder_class: type[Encoder] = registry.load("encoder", config.name)
        values = (samples[index].inputs.get(modality) for index in range(len(samples)))
        for option, learned in encoder_class.learn_options(values).items():
            if lacking := sorted(set(learned) - set(config.options.get(option, learned))):
                shown = ", ".join(map(repr, lacking[:_SHOWN])) + (", ..." if len(lacking) > _SHOWN else "")
                notes.append(
                    f"the encoder of {modality} from {Path(file).name} lacks {len(lacking)} of the {len(learned)} "
                    f"entries that its {option} would have for these samples: {shown}"
                )
    return notes


def origins(build: BuildOptions) -> dict[str, str]:
    """SHA-256, by modality, of the weights files that encoders start from: what a new model owes to earlier ones."""
    specs = {modality: spec.partition(":") for modality, spec in build.encoders.items()}
    return {m: file_sha256(Path(file).expanduser()) for m, (name, _, file) in specs.items() if name == _FROM}


@dataclass(frozen=True, slots=True)
class _Stored:
    """The encoder in a weights file of any model that keeps its encoders by modality under `encoders`."""

    path: Path
    config: EncoderConfig
    width: object
    tensors: dict[str, Tensor]

    def load(self, encoder: Encoder) -> None:
        if self.width not in (None, encoder.width):
            raise UsageError(
                f"the encoder of {encoder.modality} in {self.path} has width {self.width}, this model {encoder.width}; "
                "all encoders of a model have the same"
            )
        load_tensors(encoder, self.tensors, self.path)


def _stored(modality: str, file: str) -> _Stored:
    if not file:
        raise UsageError(f"expected {modality}={_FROM}:FILE, weights that `mmbench train` wrote")
    path = Path(file).expanduser()
    header, tensors = _read(path, path.stat().st_mtime_ns if path.is_file() else 0)
    stored = header.config.get("encoders")
    if not isinstance(stored, dict) or modality not in stored:
        has = ", ".join(stored) if isinstance(stored, dict) else "none"
        raise UsageError(f"{path} has no encoder of {modality}; it has {has}")
    try:
        config = EncoderConfig(**stored[modality])
    except TypeError as error:
        raise UsageError(f"{path} has a damaged header: {error}") from error
    prefix = f"encoders.{modality}."
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return _Stored(path, config, header.config.get("width"), own)


@lru_cache(maxsize=8)  # more than a model has modalities
def _read(path: Path, changed: int) -> tuple[Header, dict[str, Tensor]]:
    """A weights file as of its last change: its configuration, width and tensors are asked for one after another."""
    return read_weights(path)


def parse_encoders(given: Iterable[str]) -> Mapping[str, str]:
    """`MODALITY=SPEC` texts by modality, whose order does not matter.

    Raises:
        UsageError: not of that form, or a modality twice.
    """
    specs: dict[str, str] = {}
    for text in given:
        modality, equals, spec = text.partition("=")
        if not (modality and equals and spec):
            raise UsageError(f"--encoder expects MODALITY=NAME, not {text!r}")
        if modality in specs:
            raise UsageError(f"--encoder names two encoders of {modality}: {specs[modality]} and {spec}")
        specs[modality] = spec
    return dict(sorted(specs.items()))
