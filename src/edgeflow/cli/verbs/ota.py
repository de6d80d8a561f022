"""``ota``: sign firmware, and bring it to nodes over the network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.terminal import JsonOption, narrate, new_group, write, write_json
from edgeflow.cli.verbs.ota_options import (
    DEFAULT_KEY,
    FileOption,
    FromOption,
    GroupOption,
    KeyOption,
    NodesArgument,
    PassphraseOption,
    PatienceOption,
    chosen_nodes,
    connector,
    passphrase_of,
)

if TYPE_CHECKING:
    from edgeflow.devices.updates.client import NodeAddress
    from edgeflow.devices.updates.rollout import NodeResult, Report, Step

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
group.add_typer(verbs, name="ota")


class Sample(StrEnum):
    """What firmware for simulated nodes does."""

    GOOD = "good"
    CRASH = "crash"
    HANG = "hang"
    UNFIT = "unfit"


MAX_UPDATE = (16 << 20) + 192


@verbs.callback(epilog="Example: edgeflow ota push update.efo 192.168.1.31 --stages 1,25%,100%")
def ota() -> None:
    """Sign firmware, and bring it to nodes over the network.

    A node takes what was signed with the key it was provisioned with, runs it on trial, and goes
    back by itself when its self-test fails.
    """


@verbs.command(epilog="Example: edgeflow ota keygen firmware-key.pem")
def keygen(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes.")],
    *,
    passphrase: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Make a key that signs firmware: FILE, for you alone, and FILE.pub for the nodes."""
    from edgeflow.devices.updates.signing import make_key

    key = make_key(file, passphrase_of(passphrase))
    if json:
        facts = {"private": str(file), "public": f"{file}.pub"}
        write_json({**facts, "public_key": key.public.hex(), "key_id": key.name})
        return
    write(f"{file}: private key, keep it secret and keep a copy")
    write(f"{file}.pub: for nodes: edgeflow provision --ota-public-key file:{file}.pub")
    write(f"{' ' * len(f'{file}.pub')}  if it signs modules: --wasm-pubkey")


@verbs.command(epilog="Example: edgeflow ota sign build/csi_node.bin --key key.pem -o update.efo")
def sign(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The .bin of a build.")],
    *,
    key: Annotated[Path, typer.Option(metavar="FILE", help="The private key.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The update to write.")],
    version: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The image's own, if it has one.")
    ] = None,
    board: Annotated[
        str | None, typer.Option(metavar="NAME", help="The image's project, if it has one.")
    ] = None,
    counter: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=0xFFFFFFFF, help="Nodes never go below it again."),
    ] = None,
    passphrase: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Put a signed header in front of an image, which is what nodes take."""
    from dataclasses import asdict

    from edgeflow.devices.updates.signing import load_key, read_file, sign_image, write_file
    from edgeflow.protocols.ota import MAX_IMAGE

    pair = load_key(key, passphrase_of(passphrase))
    data = read_file(image, MAX_IMAGE)
    update, header = sign_image(data, pair, version=version, board=board, counter=counter)
    write_file(out, update)
    if json:
        facts = {
            name: value.hex() if isinstance(value, bytes) else value
            for name, value in asdict(header).items()
        }
        write_json({"file": str(out), **facts})
        return
    about = f"{header.board} {header.version}, counter {header.counter}, {header.size} bytes"
    write(f"{out}: {about}, key {pair.name}")


@verbs.command(epilog="Example: edgeflow ota sample 2.0.0 -o sample.bin --behaviour crash")
def sample(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="What it says it is.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The image to write.")],
    behaviour: Annotated[
        Sample, typer.Option(help="When it runs; crash and hang: at its first start.")
    ] = Sample.GOOD,
) -> None:
    """Make firmware for simulated nodes, to try updates without a board.

    The nodes of edgeflow csi simulate --ota-port run it. Boards do not: there is no code in it.
    """
    from edgeflow.devices.updates.signing import write_file
    from edgeflow.devices.virtual.csi_image import make_firmware

    write_file(out, make_firmware(version, behaviour.value))
    write(f"{out}: csi_node {version}, {behaviour.value}, for simulated nodes")


@verbs.command(epilog="Example: edgeflow ota push update.efo --nodes nodes.yaml --group kitchen")
def push(
    update: Annotated[Path, typer.Argument(metavar="UPDATE", help="What ota sign wrote.")],
    nodes: NodesArgument = None,
    *,
    file: FileOption = None,
    named: GroupOption = None,
    heard: FromOption = None,
    ota_key: KeyOption = DEFAULT_KEY,
    stages: Annotated[
        str, typer.Option(metavar="LIST", help="How many nodes are done after each stage.")
    ] = "1,25%,100%",
    parallel: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="Nodes at a time.")] = 8,
    patience: PatienceOption = 300.0,
    again: Annotated[
        bool, typer.Option("--again", help="Try nodes that went back from this version before.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Bring an update to nodes, in stages, and stop at the first that does not keep it.

    A stage begins when every node of the one before runs the new version and has kept it. Nodes
    that have it are passed over: the same command goes on where it was stopped.
    """
    from edgeflow.devices.updates.rollout import Rollout
    from edgeflow.devices.updates.signing import read_file
    from edgeflow.protocols.ota import split_update

    data = read_file(update, MAX_UPDATE)
    header, _ = _checked(split_update, data, update)
    chosen = chosen_nodes(nodes, file, named, heard)
    connect = connector(ota_key)
    with _progress(len(chosen)) as tell:
        rollout = Rollout(
            data, chosen, connect, stages=stages, parallel=parallel, patience=patience,
            again=again, tell=tell,
        )  # fmt: skip
        report, interrupted = _watched(rollout)
    _report(report, f"{header.board} {header.version}", json=json)
    return 130 if interrupted else int(report.failed)


@verbs.command(epilog="Example: edgeflow ota status 192.168.1.31,192.168.1.32 --json")
def status(
    nodes: NodesArgument = None,
    *,
    file: FileOption = None,
    named: GroupOption = None,
    heard: FromOption = None,
    json: JsonOption = False,
) -> int:
    """Show what nodes run, and why the last update did not stay."""
    from concurrent.futures import ThreadPoolExecutor

    chosen = chosen_nodes(nodes, file, named, heard)
    with ThreadPoolExecutor(min(16, len(chosen)), "ota") as pool:
        found = list(pool.map(_ask, chosen))
    if json:
        write_json([{"node": str(node), **said} for node, said in zip(chosen, found, strict=True)])
    else:
        for node, said in zip(chosen, found, strict=True):
            write(f"{node!s:<24}{_line(said).removeprefix(f'{node} ')}")
    missing = sum("error" in said for said in found)
    return 0 if not missing else 4 if missing == len(found) else 1


@verbs.command(epilog="Example: edgeflow ota rollback 192.168.1.31")
def rollback(
    nodes: NodesArgument = None,
    *,
    file: FileOption = None,
    named: GroupOption = None,
    heard: FromOption = None,
    ota_key: KeyOption = DEFAULT_KEY,
    patience: PatienceOption = 60.0,
    json: JsonOption = False,
) -> int:
    """Let nodes go back to the firmware before, one after the other."""
    from edgeflow.devices.updates.rollout import take_back

    chosen = chosen_nodes(nodes, file, named, heard)
    connect = connector(ota_key)
    results = []
    for node in chosen:
        narrate(f"{node}: goes back")
        results.append(take_back(connect(node), patience=patience))
    if json:
        write_json([_facts(each) for each in results])
    else:
        for each in results:
            write(_result(each))
    return int(any(each.outcome == "failed" for each in results))


def _checked(read: Callable[[bytes], Any], data: bytes, path: Path) -> Any:
    from edgeflow.errors import ConfigError, ProtocolError

    try:
        return read(data)
    except ProtocolError as error:
        raise ConfigError(
            f"{path}: {error.message}", hint="make one with: edgeflow ota sign IMAGE"
        ) from None


def _ask(node: "NodeAddress") -> dict[str, Any]:
    from edgeflow.devices.updates.client import NodeClient
    from edgeflow.errors import CommsError

    try:
        return dict(NodeClient(node).status().fields)
    except CommsError as error:
        return {"error": str(error)}


def _line(said: dict[str, Any]) -> str:
    if "error" in said:
        return str(said["error"])
    parts = [str(said.get("version", "")), str(said.get("state", ""))]
    if said.get("previous_version"):
        parts.append(f"before {said['previous_version']} ({said.get('previous_state')})")
    if said.get("last_failure"):
        parts.append(f"last update: {said['last_failure']}")
    if said.get("accepts") is False:
        parts.append("takes no update")
    return ", ".join(part for part in parts if part)


def _watched(rollout: Any) -> "tuple[Report, bool]":
    """Run to the end, or to the first Ctrl+C."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Event

    from edgeflow.runtime.signals import stopping_on_signals

    stop = Event()
    with stopping_on_signals(stop), ThreadPoolExecutor(1, "ota-rollout") as pool:
        future = pool.submit(rollout.run)
        while not future.done():
            if stop.wait(0.05):
                rollout.cancel()
                break
        return future.result(), stop.is_set()


@contextmanager
def _progress(count: int) -> "Iterator[Callable[[Step], None]]":
    """Bars on a terminal, else a line for what is over."""
    import sys

    if not sys.stderr.isatty():
        yield _tell
        return
    from edgeflow.cli.display.updates import update_bars

    with update_bars(count) as tell:
        yield tell


def _tell(step: "Step") -> None:
    if step.doing in ("updated", "already", "failed", "restarting"):
        narrate(f"{step.address}: {step.doing}")


def _report(report: "Report", what: str, *, json: bool) -> None:
    counts = {
        name: sum(each.outcome == name for each in report.results)
        for name in ("updated", "already", "failed", "waiting")
    }
    if json:
        nodes = [_facts(each) for each in report.results]
        write_json({"version": report.version, **counts, "nodes": nodes})
        return
    for each in report.results:
        write(_result(each))
    write(f"{what}: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count))


def _result(each: "NodeResult") -> str:
    way = f"{each.before} -> {each.after}" if each.after else ""
    said = way or each.reason.removeprefix(f"{each.address} ")
    return f"{each.address!s:<24}{each.outcome:<9}{said}".rstrip()


def _facts(each: "NodeResult") -> dict[str, Any]:
    return {
        "node": str(each.address),
        "stage": each.stage,
        "outcome": each.outcome,
        "before": each.before,
        "after": each.after,
        "reason": each.reason,
        "seconds": each.seconds,
    }
