"""The gateway node and its interfaces."""
