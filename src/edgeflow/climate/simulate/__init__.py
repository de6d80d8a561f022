"""Rooms and people that are only software, with the truth about them."""
