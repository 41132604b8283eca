"""Floors: the same encoder and head as the fusion models, with one modality alone."""

from mmbench.fusion import FusionFactory

image_only = FusionFactory("concat", ("image",))
"""The image alone, trained as the fusion models are; shows what the question adds."""

text_only = FusionFactory("concat", ("text",))
"""The text alone, trained as the fusion models are; shows what the image adds."""
