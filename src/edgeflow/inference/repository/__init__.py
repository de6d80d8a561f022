"""Models on disk: versions, hot reload, rollback."""
