"""The ``plugins/`` folder beside a YAML file, as a package of its own."""

import importlib
import importlib.util
import itertools
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

__all__ = ["PluginFolder"]

_numbers = itertools.count(1)


class PluginFolder:
    """Imports modules of a folder under a name that nothing else has.

    Two files with plugins of the same name never meet, and a reload sees changed modules. Modules
    import each other relatively (``from . import other``).

    Args:
        folder: it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._package = f"edgeflow_plugins_{next(_numbers)}"

    def names(self) -> list[str]:
        """Return the modules there are."""
        if not self.folder.is_dir():
            return []
        files = [path.stem for path in self.folder.glob("*.py") if path.stem != "__init__"]
        packages = [path.parent.name for path in self.folder.glob("*/__init__.py")]
        return sorted([*files, *packages])

    def has(self, module: str) -> bool:
        """True when there is a module of that dotted name (empty: the folder's own code)."""
        place = self.folder.joinpath(*module.split(".")) if module else self.folder
        return (place / "__init__.py").is_file() or (
            bool(module) and place.with_suffix(".py").is_file()
        )

    def load(self, module: str) -> ModuleType:
        """Import a module that ``has`` says there is; raises what its code raises."""
        if self._package not in sys.modules:
            self._open()
        return importlib.import_module(f"{self._package}.{module}" if module else self._package)

    def close(self) -> None:
        """Forget the modules."""
        for name in [*sys.modules]:
            if name == self._package or name.startswith(f"{self._package}."):
                del sys.modules[name]

    def _open(self) -> None:
        own = self.folder / "__init__.py"
        spec = (
            importlib.util.spec_from_file_location(
                self._package, own, submodule_search_locations=[str(self.folder)]
            )
            if own.is_file()
            else ModuleSpec(self._package, None, is_package=True)
        )
        assert spec is not None  # noqa: S101 - a .py file always has one
        spec.submodule_search_locations = [str(self.folder)]
        package = importlib.util.module_from_spec(spec)
        sys.modules[self._package] = package
        importlib.invalidate_caches()
        try:
            if spec.loader is not None:
                spec.loader.exec_module(package)
        except BaseException:
            del sys.modules[self._package]
            raise
