"""Names that a cluster accepts, whatever a person has called something."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

__all__ = ["LONGEST", "label", "labels"]

LONGEST = 40
"""Characters; what is derived from a name (pods, autoscalers, revisions) stays below 63."""

_DIGITS = 6


def label(text: str, fallback: str = "node") -> str:
    """Return a DNS label for ``text``: a letter first, then letters, digits and single hyphens.

    A text that loses more than case and separators gets a digest, so that others stay apart.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not words[:1].isalpha():
        words = f"{fallback}-{words}".strip("-")
    kept = re.sub(r"[\s_.-]+", "-", text).strip("-").lower()
    return words if words == kept and len(words) <= LONGEST else _digested(words, text)


def labels(
    texts: Iterable[str], taken: Iterable[str] = (), fallback: str = "node"
) -> dict[str, str]:
    """Return a label for each text, all different and none of ``taken``.

    Which label a text gets does not depend on the order of the others.
    """
    texts, used = list(dict.fromkeys(texts)), set(taken)
    plain = [label(text, fallback) for text in texts]
    names = plain
    digits = _DIGITS
    while doubtful := {name for name in names if name in used or names.count(name) > 1}:
        names = [
            _digested(first, text, digits) if name in doubtful else name
            for name, first, text in zip(names, plain, texts, strict=True)
        ]
        digits += 2
    return dict(zip(texts, names, strict=True))


def _digested(words: str, text: str, digits: int = _DIGITS) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    return f"{words[: LONGEST - digits - 1].rstrip('-')}-{digest}"
