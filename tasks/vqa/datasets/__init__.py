"""Cards of the data sets for visual question answering."""

from pathlib import Path

from mmbench.data.card import DatasetCard

_FOLDER = Path(__file__).parent

easy_vqa = DatasetCard.from_yaml(_FOLDER / "easy_vqa.yaml")
