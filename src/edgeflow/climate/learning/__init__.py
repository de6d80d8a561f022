"""Deciding where a window should be, and learning it from what people say."""
