"""Floors: the same encoder and head as the fusion models, with one modality alone."""

from mmbench.fusion_factory import FusionFactory

image_only = FusionFactory("concat", ("image",))
"""The image alone, trained as the fusion models are; shows what the question adds."""

text_only = FusionFactory("concat", ("text",))
"""The text alone, trained as the fusion models are; shows what the image adds."""

audio_only = FusionFactory("concat", ("audio",))
"""The sound alone, trained as the fusion models are; shows what the other modalities add."""

cnn = FusionFactory("concat", ("image",))
"""Image classifier: the image encoder, by default the small CNN, and a head."""
