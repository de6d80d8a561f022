"""Models on disk: names, versions, metadata, and what has changed."""
