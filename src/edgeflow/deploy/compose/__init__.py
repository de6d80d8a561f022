"""A stack as a Compose file, with what lies beside it."""
