"""What several encoders share: the last layer."""

from torch import nn


def projection(channels: int, width: int) -> nn.Module:
    """A linear layer from `channels` to `width`; nothing where they are equal."""
    return nn.Identity() if channels == width else nn.Linear(channels, width)
