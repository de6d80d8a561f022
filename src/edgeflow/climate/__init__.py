"""The climate system: readings of rooms, when to decide, and deciding where a window should be."""
