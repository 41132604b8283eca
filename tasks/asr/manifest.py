"""Reader of any speech that a table or a list of JSON objects describes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmbench.data.annotations import field, read_jsonl, read_tsv, shown
from mmbench.data.audio import AudioSlice
from mmbench.data.card import DatasetCard
from mmbench.data.source import data_folder
from mmbench.errors import UsageError, unknown_name

from .utterances import Utterance, Utterances

TABLES = ("transcripts.tsv", "manifest.tsv", "transcripts.jsonl", "manifest.jsonl")
"""Names by which a manifest is found in a folder, unless it has the split's name."""

_NAMES = {
    "audio": ("audio", "audio_filepath", "file", "path", "wav"),
    "text": ("text", "sentence", "transcript", "transcription", "text_normalized", "normalized_text"),
    "speaker": ("speaker", "speaker_id", "client_id"),
    "id": ("id", "utterance_id"),
}
"""Names that a field may have in a manifest, the preferred first."""


class SpeechManifest(Utterances):
    """Utterances of a TSV or JSON Lines file: `--data` is that file, or a folder that holds it.

    The file is called after the split (`test.tsv`), or one of `TABLES`.
    """

    def __init__(self, card: DatasetCard, split: str) -> None:
        """Read the manifest.

        Raises:
            UsageError: there is none, or something in it is missing, double or of another kind; says where.
        """
        card.check_split(split)
        super().__init__(card, split, read_manifest(card, _find(data_folder(card), split), split))


def read_manifest(card: DatasetCard, file: Path, split: str) -> Iterator[tuple[str, Utterance]]:
    """The utterances of one split.

    Fields, under the first of the names in brackets that is there or the one in the card's `columns`: the audio
    (audio, audio_filepath, file, path, wav), from the manifest's folder unless absolute; the text (text, sentence,
    transcript, transcription, text_normalized, normalized_text); maybe the speaker (speaker, speaker_id, client_id) and
    an id (id, utterance_id), else the audio's name is the id. A field `condition` becomes a breakdown. With a field
    `split` only rows of that split count, without it all do. JSON objects may have `offset` and `duration` in seconds:
    the part of the file that counts.

    Raises:
        UsageError: as `SpeechManifest`.
    """
    name = shown(file)
    rows = list(read_jsonl(file) if file.suffix.lower() in (".jsonl", ".json") else read_tsv(file))
    splits = {str(row["split"]) for _, row in rows if "split" in row}
    if splits and split not in splits:
        raise unknown_name(f"split of {name}", split, splits)
    for number, row in rows:
        where = f"{name}:{number}"
        if not splits or field(row, "split", str, where) == split:
            yield where, _utterance(row, card, file.parent, where)


def _find(path: Path, split: str) -> Path:
    if path.is_file():
        return path
    names = (f"{split}.tsv", f"{split}.jsonl", *TABLES)
    for name in names:
        if (path / name).is_file():
            return path / name
    raise UsageError(f"{shown(path)}: no manifest; expected a file, or a folder with one of {', '.join(names)}")


def _utterance(row: Mapping[str, Any], card: DatasetCard, folder: Path, where: str) -> Utterance:
    audio_field, text_field = _needed(row, "audio", card, where), _needed(row, "text", card, where)
    name = field(row, audio_field, str, where)
    if not name:
        raise UsageError(f"{where}: field {audio_field!r} is empty")
    sound: Path | AudioSlice = folder / name
    own_id = name
    if "offset" in row:
        start = float(field(row, "offset", (int, float), where))
        sound = AudioSlice(folder / name, start, start + field(row, "duration", (int, float), where))
        own_id = f"{name}@{start:g}"
    id_field, speaker_field = _known(row, "id", card), _known(row, "speaker", card)
    return Utterance(
        id=str(field(row, id_field, (str, int), where)) if id_field else own_id,
        audio=sound,
        text=field(row, text_field, str, where),
        speaker=str(field(row, speaker_field, (str, int), where)) if speaker_field else None,
        meta={"condition": field(row, "condition", str, where)} if "condition" in row else {},
    )


def _known(row: Mapping[str, Any], what: str, card: DatasetCard) -> str | None:
    names = (card.columns[what],) if what in card.columns else _NAMES[what]
    return next((name for name in names if name in row), None)


def _needed(row: Mapping[str, Any], what: str, card: DatasetCard, where: str) -> str:
    found = _known(row, what, card)
    if found is None:
        expected = card.columns.get(what) or ", ".join(_NAMES[what])
        raise UsageError(f"{where}: no field for the {what} ({expected}); there are {', '.join(map(repr, row))}")
    return found
