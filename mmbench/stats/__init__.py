"""Uncertainty of metrics: intervals that respect clusters."""
