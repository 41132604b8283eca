"""The report of a gate in formats that other programs read, one file a format."""
