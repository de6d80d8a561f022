"""URLs as people may see them: in logs, errors, metadata and on the dashboard."""

from urllib.parse import urlsplit, urlunsplit

__all__ = ["public"]


def public(url: str) -> str:
    """Return a URL without credentials and query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
