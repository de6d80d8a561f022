"""From names in the YAML to functions and classes.

A stage ``env.vector_to_tensor`` is the function ``vector_to_tensor`` of the module ``env`` in the
``plugins/`` folder, else among the built-in stages, else of an installed module; with a colon
(``package.module:function``) the module is what stands before it. A type of a connector, agent or
action is a built-in name, an entry point (group ``edgeflow.connectors``...), or such a path to a
class.
"""

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from edgeflow.errors import ConfigError, EdgeFlowError, MissingExtraError
from edgeflow.pipelines import stages
from edgeflow.pipelines.actions import BUILT_IN as ACTIONS
from edgeflow.pipelines.actions.base import Dispatcher
from edgeflow.pipelines.agents import BUILT_IN as AGENTS
from edgeflow.pipelines.agents.base import Agent
from edgeflow.pipelines.blame import place_in
from edgeflow.pipelines.connectors import BUILT_IN as CONNECTORS
from edgeflow.pipelines.connectors.base import BaseConnector
from edgeflow.pipelines.loading.plugins import PluginFolder

__all__ = ["KINDS", "Resolver"]

KINDS: dict[str, tuple[dict[str, str], type[Any]]] = {
    "connectors": (CONNECTORS, BaseConnector),
    "agents": (AGENTS, Agent),
    "actions": (ACTIONS, Dispatcher),
}
"""Per section of the YAML: its built-in types, and the class that all have as a base."""

_STAGES = stages.__name__
_CODE = "EF-CONFIG-016"


class Resolver:
    """Finds functions and classes.

    Args:
        plugins: where to look first.
    """

    def __init__(self, plugins: PluginFolder) -> None:
        self.plugins = plugins

    def stage(self, path: str) -> Callable[..., Any]:
        """Return the function, or the class of callable objects, that ``path`` names.

        Raises:
            ConfigError: there is none; the hint says what there is.
        """
        found = self._entry_point("stages", path) or self._find(path, _STAGES)
        if found is None:
            raise ConfigError(f"there is no stage {path!r}", hint=self._known(path), code=_CODE)
        if not callable(found) or (isinstance(found, type) and "__call__" not in vars(found)):
            raise ConfigError(f"{path!r} is no function", code=_CODE)
        return found  # type: ignore[no-any-return]  # checked to be callable

    def kind(self, section: str, name: str) -> type[Any]:
        """Return the class of a type under ``section`` (``connectors``, ``agents``, ``actions``).

        Raises:
            ConfigError: there is none.
            MissingExtraError: it needs a package that is not installed.
        """
        built_in, base = KINDS[section]
        if name in built_in:
            module, _, member = built_in[name].partition(":")
            found = getattr(self._guarded(importlib.import_module, module), member, None)
        else:
            found = self._entry_point(section, name) or self._find(name, "")
        if found is None:
            raise ConfigError(
                f"there is no type {name!r}", hint=self._types(section, name), code=_CODE
            )
        if not (isinstance(found, type) and issubclass(found, base)):
            raise ConfigError(
                f"{name!r} is no {base.__name__}", hint=f"subclass {base.__module__}", code=_CODE
            )
        return found

    def _find(self, path: str, home: str) -> Any:
        module, _, name = path.rpartition(":" if ":" in path else ".")
        if not name.isidentifier() or not all(p.isidentifier() for p in module.split(".") if p):
            return None
        for candidate in self._modules(module, home):
            found = getattr(candidate, name, None)
            if found is not None:
                return found
        return None

    def _modules(self, module: str, home: str) -> Iterator[ModuleType]:
        own = module.removeprefix("plugins.") if module != "plugins" else ""
        if self.plugins.has(own):
            yield self._guarded(self.plugins.load, own)
        if home and module and _exists(f"{home}.{module}"):
            yield self._guarded(importlib.import_module, f"{home}.{module}")
        if module and _exists(module):
            yield self._guarded(importlib.import_module, module)

    def _guarded(self, load: Callable[[str], ModuleType], name: str) -> ModuleType:
        try:
            return load(name)
        except EdgeFlowError:
            raise
        except ModuleNotFoundError as error:
            raise self._not_installed(name, error) from error
        except Exception as error:
            raise self._broken(f"module {name!r} cannot be imported", error) from error

    def _broken(self, what: str, error: Exception) -> ConfigError:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        place = place_in(self.plugins.folder, error)
        where = f" ({place})" if place else ""
        return ConfigError(f"{what}: {type(error).__name__}: {said}{where}", code=_CODE)

    def _not_installed(self, name: str, error: ModuleNotFoundError) -> EdgeFlowError:
        missing = (error.name or "").partition(".")[0]
        if missing in _EXTRAS:
            return MissingExtraError(missing, _EXTRAS[missing])
        return self._broken(f"module {name!r} cannot be imported", error)

    def _entry_point(self, section: str, name: str) -> Any:
        for point in entry_points(group=f"edgeflow.{section}", name=name):
            try:
                return point.load()
            except Exception as error:
                raise self._broken(f"entry point {name!r} cannot be loaded", error) from error
        return None

    def _known(self, path: str) -> str:
        names = sorted({*self._stage_names()})
        close = get_close_matches(path.replace(":", "."), names, n=1, cutoff=0.6)
        if close:
            return f"did you mean {close[0]!r}?"
        return f"known: {', '.join(names)}; or put a module into {self.plugins.folder.name}/"

    def _stage_names(self) -> Iterator[str]:
        for module, loaded in self._own_modules():
            yield from _functions(module, loaded)
        for module in stages.BUILT_IN:
            loaded = self._guarded(importlib.import_module, f"{_STAGES}.{module}")
            yield from (f"{module}.{name}" for name in loaded.__all__)

    def _own_modules(self) -> Iterator[tuple[str, ModuleType]]:
        for module in self.plugins.names():
            with suppress(EdgeFlowError):  # only names are wanted here
                yield module, self._guarded(self.plugins.load, module)

    def _types(self, section: str, name: str) -> str:
        known, base = sorted(KINDS[section][0]), KINDS[section][1]
        known += [
            f"{module}.{member}"
            for module, loaded in self._own_modules()
            for member, value in vars(loaded).items()
            if isinstance(value, type) and issubclass(value, base) and value is not base
        ]
        close = get_close_matches(name, known, n=1, cutoff=0.6)
        if close:
            return f"did you mean {close[0]!r}?"
        return f"known: {', '.join(known)}; or the dotted path of a class"


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _functions(module: str, loaded: ModuleType) -> Iterator[str]:
    for name, value in vars(loaded).items():
        own = getattr(value, "__module__", "") == loaded.__name__
        if own and callable(value) and not isinstance(value, type) and not name.startswith("_"):
            yield f"{module}.{name}"


_EXTRAS = {
    "paho": "pipelines",
    "httpx": "pipelines",
    "av": "video",
    "bleak": "ble",
    "serial": "serial",
    "pymodbus": "modbus",
    "aiortc": "webrtc",
}
