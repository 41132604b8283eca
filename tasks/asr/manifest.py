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

TABLES = ("transcripts.tsv", "manifest.tsv", "transcripts.jsonl", "manifest.jsonl", "manifest.json")
"""Names by which a manifest is found in a folder, unless it is called after the split."""

_OF_SPLIT = ("{}.tsv", "{}.jsonl", "{}.json", "{}_manifest.json")

_NAMES = {
    "audio": ("audio", "audio_filepath", "file", "path", "wav"),
    "text": ("text", "sentence", "transcript", "transcription", "text_normalized", "normalized_text"),
    "speaker": ("speaker", "speaker_id", "client_id"),
    "id": ("id", "utterance_id"),
}
"""Names that a field may have in a manifest, the preferred first."""


class SpeechManifest(Utterances):
    """Utterances of a TSV or JSON Lines file: `--data` is that file, or a folder that holds it.

    The file is called after the split (`test.tsv`, `test_manifest.json`), or one of `TABLES`; `.json` is JSON Lines
    too, as NeMo has it.
    """

    def __init__(self, card: DatasetCard, split: str) -> None:
        """Read the manifest.

        Raises:
            UsageError: there is none, or something in it is missing, double or of another kind; says where.
        """
        card.check_split(split)
        file = _find(data_folder(card), split)
        rows = read_rows(file)
        super().__init__(card, split, utterances(card, file, rows, split))
        self.splits = splits_of(rows)


Rows = list[tuple[int, Mapping[str, Any]]]
"""Line number and fields of each row."""


def read_rows(file: Path) -> Rows:
    """The rows of a TSV or JSON Lines file, of whatever split.

    Raises:
        UsageError: it cannot be read, or is not in one of these formats; says where.
    """
    return list(read_jsonl(file) if file.suffix.lower() in (".jsonl", ".json") else read_tsv(file))


def splits_of(rows: Rows) -> tuple[str, ...]:
    """What the field `split` names, in the order of the file."""
    return tuple(dict.fromkeys(str(row["split"]) for _, row in rows if "split" in row))


def utterances(card: DatasetCard, file: Path, rows: Rows, split: str) -> Iterator[tuple[str, Utterance]]:
    """The utterances of one split.

    Fields, under the first of the names in brackets that is there or the one in the card's `columns`: the audio
    (audio, audio_filepath, file, path, wav), from the manifest's folder unless absolute; the text (text, sentence,
    transcript, transcription, text_normalized, normalized_text); maybe the speaker (speaker, speaker_id, client_id) and
    an id (id, utterance_id), else the audio's name is the id. A field `condition` becomes a breakdown. With a field
    `split` only rows of that split count; a file without it is one split, the one that it is called after, or else the
    card's default one. JSON objects may have `offset` and `duration` in seconds: the part of the file that counts.

    Raises:
        UsageError: as `SpeechManifest`.
    """
    name = shown(file)
    splits = splits_of(rows)
    if splits and split not in splits:
        raise unknown_name(f"split of {name}", split, splits)
    if not splits and split != card.default_split and file.name not in _names_of(split):
        raise UsageError(
            f"{name}: no field 'split', and not called after {split!r}, so all of it is {card.default_split!r}"
        )
    for number, row in rows:
        where = f"{name}:{number}"
        if not splits or field(row, "split", str, where) == split:
            yield where, _utterance(row, card, file.parent, where)


def _names_of(split: str) -> list[str]:
    return [name.format(split) for name in _OF_SPLIT]


def _find(path: Path, split: str) -> Path:
    if path.is_file():
        return path
    names = (*_names_of(split), *TABLES)
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
        group=str(field(row, speaker_field, (str, int), where)) if speaker_field else None,
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
