"""Keeping what flowed: events in a database, frames in recordings."""
