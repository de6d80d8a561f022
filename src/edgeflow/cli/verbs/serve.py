"""``serve``: models over TCP, HTTP and gRPC."""

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.terminal import JsonOption, narrate, new_group, write_json_line

if TYPE_CHECKING:
    from edgeflow.systems.gateway import Gateway

group = new_group()


@group.command(epilog="Example: edgeflow serve --models config/models.yaml")
def serve(
    *,
    models: Annotated[
        Path, typer.Option(metavar="DIR|FILE", help="Folder of models, or a models.yaml.")
    ],
    tcp_port: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=65535, help="Of the tensor protocol; 0 for any."),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=65535, help="Of the Open Inference Protocol."),
    ] = None,
    grpc_port: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=65535, help="Of the same over gRPC.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="Address to bind; loopback by default.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="NETWORK", help="Clients of the tensor protocol; may be repeated."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate (PEM) of all three servers.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its key (PEM, without a password).")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Serve models over TCP, HTTP and gRPC.

    In DIR lie NAME.onnx or NAME/VERSION/model.onnx; new versions are taken up while it runs.
    Options beat the environment (EIG_PORT, EIG_HTTP_PORT, EIG_GRPC_PORT, EDGEFLOW_BIND), and that
    beats models.yaml; the default ports are 8008, 8009 and 8010. Bound wider than loopback, HTTP
    and gRPC want the token of EDGEFLOW_TOKEN, or one that is printed here. Ctrl+C or SIGTERM ends
    it, SIGHUP looks for changes at once. --json prints the addresses once it serves.
    """
    from edgeflow.errors import ConfigError
    from edgeflow.observe.logs import configure_logging
    from edgeflow.security.tls import TlsFiles
    from edgeflow.systems import gateway

    configure_logging()
    if (tls_cert is None) != (tls_key is None):
        raise ConfigError("--tls-cert and --tls-key go together", hint="give both, or none")
    options = gateway.ServeOptions(
        models, host, tcp_port, http_port, grpc_port, tuple(allow or ()),
        TlsFiles(tls_cert, tls_key) if tls_cert and tls_key else None,
    )  # fmt: skip

    def ready(running: "Gateway") -> None:
        if json:
            write_json_line(running.addresses())
        narrate("\n".join(welcome(running)))

    code = gateway.serve(options, ready)
    _leave_what_hangs(code)
    return code


def welcome(gateway: "Gateway") -> list[str]:
    """Return what to tell the user: what, where, how to try it, how to stop."""
    statuses = gateway.service.status()
    found = gateway.addresses()
    token = gateway.rules.token
    flags = f"-H 'Authorization: Bearer {token}' " if token else ""
    near = found["http"].replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    name = statuses[0].name if statuses else "NAME"
    return [
        f"Serving {len(statuses)} model{'' if len(statuses) == 1 else 's'}.",
        "",
        f"  Tensor TCP  {found['tcp']}",
        f"  OIP HTTP    {found['http']}/v2  (/healthz, /readyz, /metrics)",
        f"  OIP gRPC    {found.get('grpc', 'not installed: pip install edgeflow[grpc]')}",
        f"  Try         curl {flags}{near}/v2/models/{name}",
        "  Stop        Ctrl+C",
    ]


def _leave_what_hangs(code: int) -> None:
    """End although a thread is inside foreign code, such as a model that is being loaded."""
    current = threading.current_thread()
    if any(not each.daemon for each in threading.enumerate() if each is not current):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
