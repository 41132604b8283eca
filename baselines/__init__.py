"""Reference models that come with mmbench."""
