"""What a CSI node is told once, over its cable: networks, targets, thresholds, keys."""
