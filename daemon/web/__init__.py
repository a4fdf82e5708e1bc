"""The HTTP side: what was published, read-only."""
