"""Models served over wires."""
