"""Models from elsewhere, each behind a scheme of `--model`; loaded only when used."""
