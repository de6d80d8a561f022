"""Ways in which a gateway node shows its frames to the outside."""
