"""What surrounds the systems where they are installed."""
