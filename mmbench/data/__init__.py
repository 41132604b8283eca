"""Data sets: cards, where their files are, decoding, splitting."""
