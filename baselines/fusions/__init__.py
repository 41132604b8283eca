"""Fusion strategies, one a file."""
