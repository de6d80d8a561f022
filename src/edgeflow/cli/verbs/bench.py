"""``bench``: measure what a server does."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.terminal import JsonOption, new_group, write, write_json

if TYPE_CHECKING:
    from edgeflow.inference.client.benchmark import Report

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
group.add_typer(verbs, name="bench")


@verbs.callback(epilog="Example: edgeflow bench infer --model mobilenet_v2_cls")
def bench() -> None:
    """Measure latency and throughput of a server."""


@verbs.command(epilog="Example: edgeflow bench infer --model tiny --concurrency 8")
def infer(
    *,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where the server is.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="Its tensor port.")] = 8008,
    model: Annotated[str, typer.Option(metavar="NAME", help="Which model.")] = "yolov5n_coco",
    warmup: Annotated[
        int, typer.Option("--warmup", "--warmup-iters", min=0, help="Requests before the clock.")
    ] = 10,
    count: Annotated[
        int, typer.Option("--count", "--iters", "--iter", min=1, help="Timed requests.")
    ] = 100,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Connections at once.")] = 1,
    window: Annotated[
        int, typer.Option(min=1, max=1024, help="Requests under way on each connection.")
    ] = 1,
    size: Annotated[int, typer.Option(min=1, help="Size of every free axis of the inputs.")] = 1,
    protocol: Annotated[
        int | None, typer.Option(min=1, max=2, help="Version; the server's best if not given.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.01, help="Longest wait for an answer.")
    ] = 10.0,
    json: JsonOption = False,
) -> None:
    """Measure a model on a tensor server with random inputs.

    Latency is what the client sees, from the first byte it sends to the whole answer. With a
    window above 1 requests wait for each other, so only the rate is worth reading.
    """
    from edgeflow.inference.client.benchmark import measure, random_inputs
    from edgeflow.inference.client.sync import TensorClient
    from edgeflow.inference.requests import InferRequest

    def connect() -> TensorClient:
        return TensorClient(host, port, timeout=timeout, protocol=protocol)

    with connect() as client:
        inputs = random_inputs(client, model, size)
    report = measure(
        connect,
        InferRequest(model, inputs),
        warmup=warmup,
        count=count,
        concurrency=concurrency,
        window=window,
    )
    if json:
        write_json(_as_json(report))
        return
    for line in report.lines():
        write(line)


def _as_json(report: "Report") -> dict[str, float]:
    latencies = report.latencies_ms
    return {
        "count": len(latencies),
        "total_s": report.total_s,
        "qps": report.rate,
        "mean_ms": sum(latencies) / len(latencies),
        **{f"p{percent}_ms": report.percentile(percent) for percent in (50, 95, 99)},
    }
