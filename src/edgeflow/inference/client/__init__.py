"""Models called over a wire."""
