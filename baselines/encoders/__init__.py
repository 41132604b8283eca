"""Encoders of one modality, one a file."""
