"""Multimodal classification."""
