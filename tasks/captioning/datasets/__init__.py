"""Cards of the data sets for image captioning: `NAME` is what NAME.yaml says."""

from pathlib import Path

from mmbench.data.card import card_loader

__getattr__ = card_loader(Path(__file__).parent)
