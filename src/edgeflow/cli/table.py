"""The table of commands: what there is and where it lives, readable without importing any."""

from typing import NamedTuple

__all__ = ["SECTIONS", "Verb", "find", "help_text", "names"]


class Verb(NamedTuple):
    """One command.

    Attributes:
        name: what the user types.
        module: its file in ``edgeflow.cli.verbs``.
        about: one line; the first line of the command's own help.
    """

    name: str
    module: str
    about: str


SECTIONS: tuple[tuple[str, tuple[Verb, ...]], ...] = (
    (
        "First steps",
        (
            Verb("demo", "demo", "Show a live example in the browser."),
            Verb("new", "new", "Write a project that runs as it is."),
            Verb("doctor", "doctor", "Check this machine, and say what to do."),
        ),
    ),
    (
        "Flows",
        (
            Verb("run", "flows", "Run the flow that a file declares."),
            Verb("up", "pipelines", "Run the pipelines that a YAML file declares."),
            Verb("check", "flows", "Find every mistake in a flow without running it."),
            Verb("graph", "flows", "Draw a flow."),
            Verb("redeliver", "redeliver", "Send webhooks again that were given up."),
            Verb("deploy", "deploy", "Run a flow on Kubernetes."),
            Verb("compose", "compose", "Write a Compose file that runs a flow on one host."),
            Verb("schema", "pipelines", "Print the JSON Schema of pipelines.yaml, for editors."),
        ),
    ),
    (
        "Running flows",
        (
            Verb("status", "watch", "Show the nodes and links of a running flow once."),
            Verb("top", "watch", "Watch rates, drops and latency live."),
            Verb("tap", "tap", "Print or save frames as they pass."),
            Verb("trace", "watch", "Show where the time goes, and name the bottleneck."),
        ),
    ),
    (
        "Recordings",
        (
            Verb("record", "recordings", "Record topics of a running flow into a file."),
            Verb("replay", "recordings", "Feed a recording back, or tell what is in it."),
        ),
    ),
    (
        "More",
        (
            Verb("devices", "devices", "Name and configure devices; look at boards, or run some."),
            Verb("mcu", "mcu", "Serve microcontroller boards, and make models for them."),
            Verb("csi", "csi", "Sense presence, breathing and falls from WiFi channel state."),
            Verb("climate", "climate", "Rooms over MQTT, and windows that learn where to be."),
            Verb("train", "train", "Train models before they are used."),
            Verb("provision", "provision", "Tell a CSI node its network, target and thresholds."),
            Verb("flash", "flash", "Put models and firmware on boards."),
            Verb("ota", "ota", "Sign firmware, and bring it to nodes over the network."),
            Verb("serve", "serve", "Serve models over TCP, HTTP and gRPC."),
            Verb("bench", "bench", "Measure latency and throughput of a server."),
            Verb("models", "models", "Look into a folder of models, and change what it serves."),
            Verb("assets", "assets", "Fetch the models and clips that examples use."),
            Verb("version", "doctor", "Show the versions of EdgeFlow and what it runs on."),
        ),
    ),
)

_USAGE = """\
Usage: edgeflow [--debug] COMMAND [ARGS]...

One platform from sensor to decision: frames flow along links between nodes.
"""

_OPTIONS = (
    ("-h, --help", "Show this, or after a command: its help with an example."),
    ("--version", "Show the version."),
    ("--debug", "Show tracebacks of errors."),
)


def find(name: str) -> Verb | None:
    """Return the command of that name, or None."""
    return next((verb for _, verbs in SECTIONS for verb in verbs if verb.name == name), None)


def names() -> list[str]:
    """Return the names of all commands, in the order of the help."""
    return [verb.name for _, verbs in SECTIONS for verb in verbs]


def help_text(*, bold: bool = False) -> str:
    """Return the help of ``edgeflow`` itself, with bold headings if asked."""
    width = max(len(name) for name in [*names(), *(option for option, _ in _OPTIONS)])
    rows = [(title, [(verb.name, verb.about) for verb in verbs]) for title, verbs in SECTIONS]
    parts = [_USAGE]
    for title, lines in [*rows, ("Options", list(_OPTIONS))]:
        parts.append(f"\x1b[1m{title}\x1b[0m" if bold else title)
        parts += [f"  {name:<{width}}  {about}" for name, about in lines]
        parts.append("")
    parts.append("edgeflow COMMAND --help explains a command. Start with: edgeflow demo")
    return "\n".join(parts) + "\n"
