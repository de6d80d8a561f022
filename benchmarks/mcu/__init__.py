"""Boards that run models: round trips, rates, swaps, and many boards behind one server."""
