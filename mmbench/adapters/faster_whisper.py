"""`--model faster-whisper:NAME_OR_PATH`: Whisper models in CTranslate2's format, run by the package faster-whisper."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

import torch

from mmbench.adapter import LoadedModel, Opening, takes
from mmbench.adapters.missing import needed
from mmbench.adapters.raw import RawBatch, raw_batch
from mmbench.checkpoint import file_sha256
from mmbench.errors import UsageError, first_line, join_names, unknown_name
from mmbench.model import Batch
from mmbench.sample import Audio, Modality, Sample
from mmbench.setting import read_settings

SCHEME = "faster-whisper"

_WEIGHTS = "model.bin"
_FILES = ("config.json", _WEIGHTS, "tokenizer.json", "vocabulary.*")
"""What a model consists of. The library gets a tokenizer that is missing from another model, which need not fit."""

_GET = (
    f"run `hf download` where there is a network and give {SCHEME}:FOLDER, or set HF_HOME to a cache that has the model"
)
"""What to do about files that cannot be had now."""


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """Settings of `faster-whisper:`.

    Attributes:
        language: code of the language that is spoken; `None` has it detected in each recording.
        task: `transcribe`, or `translate` into English.
        beam_size: of beam search; 1 is greedy.
        temperature: 0 takes the most probable, above 0 draws tokens. Of several each is tried in turn while the text
            repeats itself or is improbable; the library's own default is [0, 0.2, 0.4, 0.6, 0.8, 1]. What is drawn is
            another text in each run: the library's generator is seeded once a thread, and never again.
        condition_on_previous_text: each window of a long recording is told the text of the window before.
        vad_filter: leave out what holds no speech, as the voice detector of the library finds it.
        compute_type: of weights and arithmetic as CTranslate2 calls it (`int8`, `int8_float16`, ...), `default` for
            that of the file; `None` for the dtype of the run.
        cpu_threads: `None` for as many as PyTorch may use.
    """

    language: str | None = None
    task: Literal["transcribe", "translate"] = "transcribe"
    beam_size: int = 5
    temperature: float | tuple[float, ...] = 0.0
    condition_on_previous_text: bool = True
    vad_filter: bool = False
    compute_type: str | None = None
    cpu_threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            UsageError: which one, and what was expected.
        """
        for name in ("beam_size", "cpu_threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{SCHEME}: {name} must be at least 1, not {value}")
        drawn = self.temperature if isinstance(self.temperature, tuple) else (self.temperature,)
        if not drawn or min(drawn) < 0:
            raise UsageError(f"{SCHEME}: temperature must be at least 0, or a list of such, not {self.temperature}")


class FasterWhisper:
    """A model of faster-whisper; generates.

    Long recordings are read in windows of 30 s, as the library does it. A sample without sound is answered with "".
    """

    modalities: tuple[str, ...] = (Modality.AUDIO.value,)

    def __init__(self, name: str, engine: Any, arguments: dict[str, Any]) -> None:
        """Args:
        name: what records call it.
        engine: a `faster_whisper.WhisperModel`.
        arguments: of its method `transcribe`.
        """
        self.name = name
        self._engine = engine
        self._arguments = arguments
        self._rate: int = engine.feature_extractor.sampling_rate

    def __getstate__(self) -> dict[str, Any]:
        """Without the engine, which no other process can have: a loader process only collates."""
        return {**self.__dict__, "_engine": None}

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Decode sound and resample it.

        Raises:
            DecodeError: a file cannot be decoded.
        """
        return raw_batch(samples, self.modalities, rate=self._rate)

    def generate(self, batch: Batch) -> Sequence[str | Exception]:
        """One transcript a recording, one after the other; an error in place of one on which the library fails."""
        return [self._transcript(audio) for audio in cast(RawBatch, batch).values[Modality.AUDIO]]

    def _transcript(self, audio: Audio | None) -> str | Exception:
        if audio is None:
            return ""
        try:
            segments, _ = self._engine.transcribe(audio.samples, **self._arguments)
            return "".join(segment.text for segment in segments).strip()
        except Exception as error:  # of foreign code; the other recordings are not asked again for it
            return error


@takes(WhisperOptions)
def open_faster_whisper(opening: Opening) -> LoadedModel:
    """Whisper models in CTranslate2's format: faster-whisper:NAME or PATH, such as faster-whisper:tiny.en.

    A name is one of the library's (`tiny.en`, `large-v3`, ...), or OWNER/NAME[@REVISION] on the Hugging Face hub.

    Raises:
        UsageError: the package is not installed, there is no such model, the task has no sound, or a setting is wrong.
    """
    library = needed("faster_whisper", "whisper", f"--model {SCHEME}:NAME_OR_PATH")
    options = WhisperOptions(**read_settings(f"model {opening.name!r}", WhisperOptions, opening.settings))
    if Modality.AUDIO not in opening.modalities:
        raise UsageError(
            f"{SCHEME} reads audio; data set {opening.dataset.name!r} has {join_names(opening.modalities)}"
        )
    folder, source, revision = _find(opening, library)
    threads = options.cpu_threads or torch.get_num_threads()
    engine = _engine(opening, library, folder, options.compute_type or opening.dtype, threads)
    arguments = _arguments(opening, engine, options)
    defaults = {name: each.default for name, each in signature(engine.transcribe).parameters.items()}
    config = {
        "versions": {package: version(package) for package in (SCHEME, "ctranslate2")},
        "revision": revision,
        "compute_type": engine.model.compute_type,
        "cpu_threads": threads if opening.device.type == "cpu" else None,
        "transcribe": {n: value for n, value in (defaults | arguments).items() if n not in ("audio", "log_progress")},
    }
    model = FasterWhisper(f"{SCHEME}:{source}", engine, arguments)
    return LoadedModel(model, config, source, file_sha256(folder / _WEIGHTS), placed=True)


def _find(opening: Opening, library: ModuleType) -> tuple[Path, str, str | None]:
    """Folder, what records call it, and commit on the hub.

    Raises:
        UsageError: there is no such model, or a file of it is missing.
    """
    name = opening.argument
    if not name:
        raise UsageError(f"expected {SCHEME}:NAME_OR_PATH, not an empty name")
    folder = Path(name).expanduser()
    if folder.is_dir():
        if missing := _missing(folder):
            raise UsageError(
                f"{opening.name}: {join_names(missing)} missing; expected a folder with {join_names(_FILES)}, "
                "as ct2-transformers-converter --copy_files tokenizer.json makes it"
            )
        return folder, folder.resolve().name, None
    folder = _download(opening, library)
    if missing := _missing(folder):
        raise UsageError(f"{opening.name}: {join_names(missing)} not in the hub's cache, and cannot be had; {_GET}")
    return folder, name, folder.name


def _missing(folder: Path) -> list[str]:
    return [pattern for pattern in _FILES if not any(folder.glob(pattern))]


def _download(opening: Opening, library: ModuleType) -> Path:
    """The folder in the hub's cache, filled if it was not."""
    name, _, revision = opening.argument.partition("@")
    known = library.available_models()
    if "/" not in name and name not in known:
        raise unknown_name(f"model or folder of {SCHEME}", name, known)
    try:
        return Path(library.download_model(name, revision=revision or None))
    except Exception as error:  # of the hub's client, in many kinds
        raise UsageError(
            f"{opening.name}: there is no such folder, and the hub's cache lacks {join_names(_FILES)} of it and cannot "
            f"get them ({first_line(error)}); {_GET}"
        ) from error


def _engine(opening: Opening, library: ModuleType, folder: Path, compute_type: str, threads: int) -> Any:
    device = opening.device
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"{SCHEME} runs on cpu and cuda, not on {device.type}")
    try:
        return library.WhisperModel(
            str(folder),
            device=device.type,
            device_index=device.index or 0,
            compute_type=compute_type,
            cpu_threads=threads,
        )
    except Exception as error:  # of the C++ library: unknown or unsupported compute type, damaged file, no such device
        raise UsageError(f"{opening.name} cannot be opened with {compute_type}: {first_line(error)}") from error


def _arguments(opening: Opening, engine: Any, options: WhisperOptions) -> dict[str, Any]:
    """Of `transcribe`, with the language that a model of one language has.

    Raises:
        UsageError: the model does not know the language, or cannot translate.
    """
    multilingual: bool = engine.model.is_multilingual
    if not multilingual and (options.task == "translate" or options.language not in (None, "en")):
        raise UsageError(f"{opening.name} knows English alone: leave out language and task")
    if options.language is not None and options.language not in engine.supported_languages:
        raise unknown_name(f"language of {opening.name}", options.language, engine.supported_languages)
    given = {name: value for name, value in asdict(options).items() if name not in ("compute_type", "cpu_threads")}
    return given if multilingual else given | {"language": "en"}
