"""Actions as rows of a database."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import Field

from edgeflow.errors import ActionError, StoreError
from edgeflow.pipelines.actions.base import Dispatcher, DispatcherOptions
from edgeflow.pipelines.agents.values import number_at
from edgeflow.pipelines.message import Action, ActionResult
from edgeflow.pipelines.paths import StoreUrl
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables, without_password
from edgeflow.store.tables import TableStore

__all__ = ["StoreDispatcher", "StoreOptions"]

EVENTS, READINGS = "events", "sensor_readings"


class StoreOptions(DispatcherOptions):
    """Keys of an action of type ``store``.

    Attributes:
        url: ``sqlite:///home.db``, ``clickhouse://user:password@host:8123/database``...
        kind: of the rows in table ``events``; the payload's ``event``, else the agent, if left out.
        values: numbers of the payload that become rows of table ``sensor_readings``, too: their
            paths by kind.
    """

    url: StoreUrl
    kind: str | None = Field(default=None, min_length=1, max_length=64)
    values: dict[str, str] = Field(default={}, max_length=64)


class StoreDispatcher(Dispatcher):
    """Keeps each action as a row of table ``events``: device, time, kind, source, details.

    ``device_id`` is the payload's ``device_id``, ``sensor`` or ``node``; the time its ``time``; the
    value its ``value`` or ``position``; the details are all of it.
    """

    Options = StoreOptions
    options: StoreOptions

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix=f"edgeflow-{name}")
        self._store: TableStore | None = None

    async def start(self) -> None:
        """Open the store; one that is away is tried again with the next action."""
        try:
            await self._do(self._opened)
        except StoreError as error:
            self.log.warning("store_unreachable", error=str(error))

    async def stop(self) -> None:
        """Close the store once what is under way is written."""
        await self._do(self._close)
        await asyncio.to_thread(self._disk.shutdown)

    async def dispatch(self, action: Action, *, agent: str, pipeline: str) -> ActionResult:
        """Insert the rows.

        Raises:
            ActionError: the payload has no keys.
            StoreError: the store cannot be reached or is full.
        """
        if not isinstance(action.payload, dict):
            raise ActionError("the payload has no keys", hint="store what is a mapping")
        count = await self._do(self._insert, action, agent, pipeline)
        where = without_password(self.options.url)
        return ActionResult(ok=True, detail=f"{count} rows", target=where)

    async def _do(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work, *arguments)

    def _opened(self) -> TableStore:
        if self._store is None:
            store = open_tables(self.options.url)
            store.create([TABLES[EVENTS], TABLES[READINGS]])
            self._store = store
        return self._store

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _insert(self, action: Action, agent: str, pipeline: str) -> int:
        payload, store = action.payload, self._opened()
        stated = number_at(payload, "time")
        at = time.time() if stated is None else stated
        row: dict[str, Any] = {
            "device_id": _device(payload),
            "timestamp": at,
            "kind": self.options.kind or str(payload.get("event") or agent)[:64],
            "source": f"{pipeline}/{agent}",
            "details": payload,
        }
        value = number_at(payload, "value")
        value = number_at(payload, "position") if value is None else value
        if value is not None:
            row["value"] = value
        store.insert(EVENTS, [row])
        found = {kind: number_at(payload, path) for kind, path in self.options.values.items()}
        rows = [
            {
                "device_id": row["device_id"],
                "timestamp": at,
                "kind": kind,
                "value": number,
                "boot": 0,
                "sequence": -1,
            }
            for kind, number in found.items()
            if number is not None
        ]
        if rows:
            store.insert(READINGS, rows)
        return 1 + len(rows)


def _device(payload: dict[str, Any]) -> str:
    for key in ("device_id", "sensor", "device", "node"):
        if payload.get(key) is not None:
            return str(payload[key])[:200]
    return ""
