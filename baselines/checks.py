"""Checks of the options of encoders and fusions."""


def require_positive(**options: int) -> None:
    """See that options that are sizes or counts are at least 1.

    Raises:
        ValueError: names the one that is not.
    """
    for name, value in options.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
