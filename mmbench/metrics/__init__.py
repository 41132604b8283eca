"""Metrics, one a file: a row of sufficient statistics a sample, then an aggregate."""
