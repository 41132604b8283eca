"""Floors: models that show what a task gives away."""
