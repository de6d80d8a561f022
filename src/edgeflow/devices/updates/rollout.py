"""New firmware for many nodes: in stages, each node watched until it has kept what it got."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NamedTuple

import structlog

from edgeflow.devices.updates.client import NodeAddress, NodeClient, NodeStatus
from edgeflow.errors import CommsError, ConfigError, UnreachableError
from edgeflow.protocols.ota import UpdateHeader

__all__ = ["NodeResult", "Outcome", "Report", "Rollout", "Step", "parse_stages", "take_back"]

log = structlog.get_logger(__name__)

Outcome = Literal["updated", "already", "failed", "waiting"]
"""``already``: it had this version; ``waiting``: not tried."""
Tell = Callable[["Step"], None]
Connect = Callable[[NodeAddress], NodeClient]

MAX_NODES = 10_000
MAX_STAGES = 32
_GONE_BACK = {
    "aborted": "it restarted before its self-test was over: it crashed, hung, or lost its power",
    "invalid": "it did not pass its self-test, or was rolled back",
}


class Step(NamedTuple):
    """What happens with a node now.

    Attributes:
        address: of the node.
        doing: ``asking``, ``sending``, ``restarting``, ``trying``, or the outcome.
        part: of the bytes, 0 to 1, while sending.
    """

    address: NodeAddress
    doing: str
    part: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeResult:
    """How it went with a node.

    Attributes:
        stage: from 1 on.
        before, after: versions, empty where unknown.
        reason: why it failed.
    """

    address: NodeAddress
    stage: int
    outcome: Outcome
    before: str = ""
    after: str = ""
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """How it went: one result for each node, in the order given."""

    version: str
    results: tuple[NodeResult, ...]
    stopped: bool

    @property
    def failed(self) -> bool:
        """A node failed, or it was cancelled."""
        return self.stopped or any(each.outcome == "failed" for each in self.results)


def parse_stages(text: str, nodes: int) -> list[int]:
    """Return how many nodes are done after each stage, from ``1,25%,100%``.

    Raises:
        ConfigError: no numbers or parts, or not ascending.
    """
    ends = []
    for part in text.split(","):
        word = part.strip()
        number = word.removesuffix("%")
        if not (number.isascii() and number.isdigit() and 0 < len(number) < 6):
            raise ConfigError(f"stages {text!r}: {word!r} is neither a number nor a part")
        value = int(number)
        if word.endswith("%") and value > 100:
            raise ConfigError(f"stages {text!r}: {word} is more than all")
        ends.append(-(-nodes * value // 100) if word.endswith("%") else value)
    if ends != sorted(ends) or len(ends) > MAX_STAGES or ends[0] < 1:
        raise ConfigError(f"stages {text!r} do not ascend", hint="such as 1,25%,100%")
    return sorted({min(nodes, end) for end in ends})


class Rollout:
    """Brings one update to nodes. ``run`` once; ``cancel`` from anywhere.

    Nodes of a stage are updated at the same time, the next stage begins when all of them run the
    new version and have kept it. After a failure no further node is touched. A second run passes
    over the nodes that have the version, and so goes on where the first one ended.

    Args:
        update: header and image.
        nodes: each once, in the order of the stages.
        connect: gives the client of a node.
        stages: see ``parse_stages``.
        parallel: nodes at a time.
        patience: seconds from the end of an upload until the node has kept it.
        reach: seconds that a node has to answer at all; it may be restarting.
        again: try nodes that went back from this version before.
        tell: told what happens, from several threads.
        poll: seconds from question to question.
        clock: monotonic seconds.

    Raises:
        ConfigError: no node, too many, or one twice.
        ProtocolError: no update.
    """

    def __init__(
        self,
        update: bytes,
        nodes: Sequence[NodeAddress],
        connect: Connect,
        *,
        stages: str = "100%",
        parallel: int = 8,
        patience: float = 300.0,
        reach: float = 15.0,
        again: bool = False,
        tell: Tell | None = None,
        poll: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 < len(nodes) <= MAX_NODES or len(set(nodes)) != len(nodes):
            raise ConfigError(f"{len(nodes)} nodes, or one of them twice", hint=f"1 to {MAX_NODES}")
        self.header = UpdateHeader.decode(update)
        self._update, self._nodes, self._connect = update, list(nodes), connect
        self._ends = parse_stages(stages, len(nodes))
        self._parallel, self._again = parallel, again
        self._patience, self._reach = patience, reach
        self._tell, self._poll, self._clock = tell, poll, clock
        self._cancelled, self._failed = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._clients: set[NodeClient] = set()

    def cancel(self) -> None:
        """Touch no further node, and end uploads that are under way."""
        self._cancelled.set()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.abort()

    def run(self) -> Report:
        """Update the nodes, stage by stage."""
        results: list[NodeResult] = []
        begin = 0
        for stage, end in enumerate(self._ends, 1):
            if self._is_over():
                break
            results += self._run_stage(stage, self._nodes[begin:end])
            begin = end
        left = self._nodes[len(results) :]
        results += [NodeResult(node, len(self._ends), "waiting") for node in left]
        return Report(self.header.version, tuple(results), self._cancelled.is_set())

    def _is_over(self) -> bool:
        return self._cancelled.is_set() or self._failed.is_set()

    def _run_stage(self, stage: int, nodes: Sequence[NodeAddress]) -> list[NodeResult]:
        log.info("stage_began", stage=stage, nodes=len(nodes), version=self.header.version)
        with ThreadPoolExecutor(max(1, min(self._parallel, len(nodes))), "ota") as pool:
            futures = [pool.submit(self._node, stage, node) for node in nodes]
            try:
                return [future.result() for future in futures]
            except BaseException:
                self.cancel()
                raise

    def _node(self, stage: int, node: NodeAddress) -> NodeResult:
        if self._is_over():
            return NodeResult(node, stage, "waiting")
        started = self._clock()
        found: list[str] = []
        client = self._connect(node)
        with self._lock:
            self._clients.add(client)
        try:
            outcome = self._bring(client, found)
            result = NodeResult(node, stage, outcome, found[0], self.header.version)
        except CommsError as error:
            self._failed.set()
            before = found[0] if found else ""
            result = NodeResult(node, stage, "failed", before, reason=str(error))
        finally:
            with self._lock:
                self._clients.discard(client)
        self._say(Step(node, result.outcome))
        log.info("node_done", node=str(node), outcome=result.outcome, reason=result.reason)
        seconds = round(self._clock() - started, 2)
        return NodeResult(
            node, stage, result.outcome, result.before, result.after, result.reason, seconds
        )

    def _bring(self, client: NodeClient, found: list[str]) -> Outcome:
        """Update a node, and wait until it has kept it; ``found`` gets the version before."""
        node, wanted = client.address, self.header.version
        self._say(Step(node, "asking"))
        before = self._ask(client)
        found.append(before.version)
        if before.version == wanted and not before.pending:
            return "already"
        if not self._again and _gone_back(before, wanted):
            raise CommsError(
                f"{node} went back from {wanted} before: {_GONE_BACK[before.previous_state]}",
                hint="--again tries it once more",
            )
        if before.version != wanted:
            if self._cancelled.is_set():
                raise CommsError(f"{node} was not touched: cancelled")
            self._push(client)
            self._say(Step(node, "restarting"))
        self._watch(client, before.sequence)
        return "updated"

    def _push(self, client: NodeClient) -> None:
        node, total = client.address, len(self._update)
        try:
            client.push(self._update, lambda sent: self._say(Step(node, "sending", sent / total)))
        except UnreachableError:
            # The node may have taken all of it, and only its answer is lost.
            now = self._ask(client)
            wanted = self.header.version
            if now.version != wanted and (now.previous_version, now.previous_state) != (
                wanted,
                "new",
            ):
                raise

    def _ask(self, client: NodeClient) -> NodeStatus:
        until = self._clock() + self._reach
        while True:
            try:
                return client.status()
            except UnreachableError:
                if self._clock() >= until or self._cancelled.wait(self._poll):
                    raise

    def _watch(self, client: NodeClient, sequence: int) -> None:
        """Wait until the node has kept the version."""
        wanted, until = self.header.version, self._clock() + self._patience
        last = "it did not answer"
        while self._clock() < until and not self._cancelled.wait(self._poll):
            try:
                now = client.status()
            except UnreachableError:
                continue
            if now.version == wanted and not now.pending:
                return
            if now.version != wanted and _gone_back(now, wanted):
                why = _GONE_BACK[now.previous_state]
                raise CommsError(f"{client.address} went back to {now.version}: {why}")
            last = f"it runs {now.version}{', on trial' if now.pending else ''}"
            if now.version == wanted:
                self._say(Step(client.address, "trying"))
        if self._cancelled.is_set():
            raise CommsError(f"{client.address} was not watched to the end: cancelled")
        raise CommsError(
            f"{client.address} has not kept {wanted} within {self._patience:g} s: {last}",
            hint=f"boot record {sequence} before; look at the node's log",
        )

    def _say(self, step: Step) -> None:
        if self._tell is not None:
            self._tell(step)


def _gone_back(status: NodeStatus, wanted: str) -> bool:
    return status.previous_version == wanted and status.previous_state in _GONE_BACK


def take_back(
    client: NodeClient,
    *,
    patience: float = 60.0,
    poll: float = 0.5,
    cancelled: threading.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> NodeResult:
    """Let a node go back to the firmware before, and watch it do so."""
    started, stop = clock(), cancelled or threading.Event()
    before = after = reason = ""
    try:
        first = client.status()
        before = first.version
        client.roll_back()
        while not after and clock() - started < patience and not stop.wait(poll):
            try:
                now = client.status()
            except UnreachableError:
                continue
            after = now.version if now.running != first.running else ""
        reason = "" if after else f"{client.address} still runs {before}"
    except CommsError as error:
        reason = str(error)
    outcome: Outcome = "failed" if reason else "updated"
    seconds = round(clock() - started, 2)
    return NodeResult(client.address, 1, outcome, before, after, reason, seconds)
