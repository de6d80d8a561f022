"""Collects everything that is wrong with a YAML file, each with its place."""

from typing import TYPE_CHECKING

from edgeflow.errors import ConfigError, GraphError

if TYPE_CHECKING:
    from edgeflow.pipelines.loading.tree import KeyPath, Tree

__all__ = ["MAX_PROBLEMS", "Problems", "key_name"]

MAX_PROBLEMS = 200


def key_name(path: "KeyPath") -> str:
    """Return a path as people write it: ``connectors[0].topics[1].filter``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


class Problems:
    """Findings about one file.

    Args:
        file: its name as it is shown.

    Attributes:
        tree: the places of the file.
        errors: what keeps it from running, in the order of the file once ``check`` is called.
        warnings: what is probably a mistake.
    """

    tree: "Tree"

    def __init__(self, file: str) -> None:
        self.file = file
        self.errors: list[ConfigError] = []
        self.warnings: list[ConfigError] = []
        self._at: dict[int, tuple[int, int]] = {}
        self._seen: set[tuple[tuple[int, int], str]] = set()
        self._missing: set[tuple[int, int]] = set()

    def add(
        self, code: str, path: "KeyPath", message: str, hint: str = "", *, key: bool = False
    ) -> None:
        """Add an error about ``path``; ``key`` points at the key instead of its value."""
        at = self.tree.place(path, key=key)
        self.add_at(at, code, f"{key_name(path)}: {message}" if path else message, hint)

    def add_at(self, at: tuple[int, int], code: str, message: str, hint: str = "") -> None:
        """Add an error at a line and column."""
        if len(self.errors) >= MAX_PROBLEMS or (at, message) in self._seen or at in self._missing:
            return
        self._seen.add((at, message))
        if code == "EF-CONFIG-017":  # a value that is not there cannot be wrong as well
            self._missing.add(at)
        error = ConfigError(f"{self._place(at)}: {message}", hint=hint, code=code)
        self._at[id(error)] = at
        self.errors.append(error)

    def warn(self, path: "KeyPath", message: str, hint: str = "", *, key: bool = True) -> None:
        """Add a warning about ``path``."""
        place = self._place(self.tree.place(path, key=key))
        message = f"{place}: {key_name(path)}: {message}"
        self.warnings.append(ConfigError(message, hint=hint, code="EF-CONFIG-020"))

    def where(self, path: "KeyPath", *, key: bool = True) -> str:
        """Return ``file:line:column`` of a path."""
        return self._place(self.tree.place(path, key=key))

    def name(self, path: "KeyPath") -> str:
        """Return the path as people write it."""
        return key_name(path)

    def check(self) -> None:
        """Return when nothing is wrong.

        Raises:
            GraphError: with every error, in the order of the file.
        """
        if self.errors:
            self.errors.sort(key=lambda error: self._at[id(error)])
            raise GraphError(self.errors)

    def _place(self, at: tuple[int, int]) -> str:
        return f"{self.file}:{at[0]}:{at[1]}"
