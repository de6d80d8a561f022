"""Where in a user's own file an error was made."""

import traceback
from pathlib import Path

__all__ = ["place_in"]


def place_in(folder: Path, error: BaseException) -> str:
    """Return ``file:line`` of the innermost call in a file of ``folder``, or an empty text.

    The line of a ``SyntaxError`` is the one that cannot be read, wherever its file is.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno or 1}"
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(folder):
            place = f"{frame.filename}:{frame.lineno}"
    return place
