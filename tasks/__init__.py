"""Task plugins that come with mmbench: one folder each."""
