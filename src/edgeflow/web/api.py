"""The REST API: what is running, how fast, and what it sees. Reading changes no counter."""

import asyncio
import contextlib
import time
from typing import Annotated, Any

import msgspec
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query
from starlette.responses import Response

from edgeflow.core.frame import Frame
from edgeflow.core.ports import ActivityView, FlowView, FrameSource, ModelView
from edgeflow.errors import ConfigError, did_you_mean
from edgeflow.observe.metrics import CONTENT_TYPE, render
from edgeflow.observe.tracing import chrome_trace
from edgeflow.web.images import is_image
from edgeflow.web.mjpeg import Encoder, MjpegResponse, Picture, no_image
from edgeflow.web.problems import Problem, json_response, to_json
from edgeflow.web.streams import Hub, Stream, meta_of

__all__ = ["activity_routes", "flow_routes", "health_routes", "stream_routes"]

TAP_SECONDS = 2.0
TAP_STEP_SECONDS = 0.1
"""How soon a tap notices that the server ends."""
MAX_TAPS = 8
"""Taps that wait at once; more queue, so that they never take every thread of the server."""
SNAPSHOT_SECONDS = 2.0
PREVIEW_CHARACTERS = 2000

Quality = Annotated[int, Query(ge=1, le=100)]
Width = Annotated[int | None, Query(ge=16, le=7680)]
Rate = Annotated[float | None, Query(gt=0, le=240)]
Limit = Annotated[int, Query(ge=1, le=2000)]
Overlay = Annotated[bool, Query(description="draw detections and zones")]


def health_routes(view: FlowView) -> APIRouter:
    """Return the probes and the metrics."""
    router = APIRouter(tags=["health"])

    @router.get("/health", summary="The server answers")
    @router.get("/healthz", summary="The server answers")
    async def health() -> Response:
        return json_response({"status": "ok"})

    @router.get("/readyz", summary="Every node runs")
    def ready() -> Response:
        waiting = {
            node.name: node.state
            for node in view.status().nodes
            if node.state not in ("running", "finished")
        }
        body = {"status": "not ready" if waiting else "ready", "waiting": waiting}
        return json_response(body, 503 if waiting else 200)

    @router.get("/metrics", summary="Numbers for Prometheus")
    def metrics() -> Response:
        return Response(render(view), media_type=CONTENT_TYPE)

    return router


def flow_routes(view: FlowView) -> APIRouter:
    """Return what describes the flow."""
    router = APIRouter(prefix="/api", tags=["flow"])

    @router.get("/flow", summary="Nodes and links with their counters")
    def flow() -> Response:
        return json_response(view.status())

    @router.get("/graph", summary="The declared graph")
    def graph() -> Response:
        return json_response(view.graph())

    @router.get("/nodes", summary="All nodes")
    def nodes() -> Response:
        return json_response(view.status().nodes)

    @router.get("/nodes/{name}", summary="One node")
    def node(name: str) -> Response:
        found = {node.name: node for node in view.status().nodes}
        if name not in found:
            raise Problem(404, f"there is no node {name!r}", hint=did_you_mean(name, list(found)))
        return json_response(found[name])

    @router.get("/links", summary="All links")
    def links() -> Response:
        return json_response(view.status().links)

    @router.get("/trace", summary="Latency per path, and the latest traces")
    def trace(limit: Limit = 100) -> Response:
        return json_response({"paths": view.paths(), "traces": view.traces(limit)})

    @router.get("/trace/chrome", summary="The latest traces for Perfetto or chrome://tracing")
    def chrome(limit: Limit = 500) -> Response:
        response = json_response(chrome_trace(view.traces(limit), view.clock_offsets_ns()))
        response.headers["content-disposition"] = 'attachment; filename="edgeflow-trace.json"'
        return response

    @router.get("/logs", summary="Log lines with a number above `after`")
    def logs(
        after: Annotated[int, Query(ge=0)] = 0, node: str | None = None, limit: Limit = 500
    ) -> Response:
        return json_response(view.logs(after=after, node=node, limit=limit))

    return router


def activity_routes(models: ModelView | None, activity: ActivityView | None) -> APIRouter:
    """Return what the models do, and what happened."""
    router = APIRouter(prefix="/api", tags=["decisions"])

    @router.get("/models", summary="All models with versions, queues and latency")
    def all_models() -> Response:
        return json_response(models.models() if models is not None else [])

    @router.get("/activity", summary="Alerts, actions and their results, numbered above `after`")
    def happened(after: Annotated[int, Query(ge=0)] = 0, limit: Limit = 200) -> Response:
        return json_response(activity.activities(after, limit) if activity is not None else [])

    return router


def stream_routes(
    frames: FrameSource, hub: Hub, encoder: Encoder, closing: asyncio.Event
) -> APIRouter:
    """Return what shows frames."""
    router = APIRouter(tags=["streams"])
    limiter = CapacityLimiter(MAX_TAPS)

    async def tapped(topic: str) -> Frame:
        """Return the next frame of any topic; 404 when it is unknown, 504 when none comes."""
        try:
            frame = await to_thread.run_sync(_tapped, frames, topic, closing, limiter=limiter)
        except asyncio.CancelledError:
            if closing.is_set():
                raise Problem(503, "the server ends") from None
            raise
        if frame is None:
            raise Problem(504, f"no frame of {topic!r} came within {TAP_SECONDS} s")
        return frame

    @router.get("/api/status", summary="The newest meta of each stream")
    def status() -> Response:
        return json_response({stream.topic: meta_of(stream) for stream in hub.streams()})

    @router.get("/api/fps", summary="Frames per second of each stream")
    def fps() -> Response:
        return json_response({stream.topic: stream.fps() for stream in hub.streams()})

    @router.get("/api/streams", summary="All streams")
    def streams() -> Response:
        return json_response([stream.status() for stream in hub.streams()])

    @router.get("/video", summary="Live pictures of the first stream with images (MJPEG)")
    def first_video(
        quality: Quality = 80, width: Width = None, fps: Rate = None, overlay: Overlay = True
    ) -> Response:
        picture = Picture(quality, width, fps, overlay)
        return MjpegResponse(hub, _shown(hub.default()), encoder, picture)

    @router.get("/video/{topic}", summary="Live pictures of a stream (MJPEG)")
    def video(
        topic: str,
        quality: Quality = 80,
        width: Width = None,
        fps: Rate = None,
        overlay: Overlay = True,
    ) -> Response:
        stream = _shown(hub.require(topic))
        return MjpegResponse(hub, stream, encoder, Picture(quality, width, fps, overlay))

    @router.get("/snapshot/{topic}", summary="The newest picture of a stream")
    async def snapshot(
        topic: str, quality: Quality = 90, width: Width = None, overlay: Overlay = True
    ) -> Response:
        found = hub.find(topic)
        if found is None:
            frame = await tapped(topic)
            version: object = (frame.epoch, frame.sequence)
        else:
            version, frame = await _newest(found)
        jpeg = await encoder.jpeg(topic, version, frame, Picture(quality, width, None, overlay))
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "no-store"})

    @router.get("/api/tap/{topic}", summary="The newest frame of any topic, described")
    async def tap(topic: str) -> Response:
        found = hub.find(topic)
        frame = found.newest()[1] if found is not None else None
        return json_response(_description(frame or await tapped(topic)))

    return router


def _shown(stream: Stream) -> Stream:
    """Return a stream that shows pictures, or may yet; 415 otherwise."""
    frame = stream.newest()[1]
    if frame is not None and not is_image(frame.data, frame.meta):
        raise no_image(stream.topic)
    return stream


async def _newest(stream: Stream) -> tuple[int, Frame]:
    if not stream.count:
        await stream.wait_beyond(0, SNAPSHOT_SECONDS)
    number, frame = stream.newest()
    if frame is None:
        raise Problem(504, f"no frame of {stream.topic!r} came within {SNAPSHOT_SECONDS} s")
    return number, frame


def _tapped(frames: FrameSource, topic: str, closing: asyncio.Event) -> Frame | None:
    try:
        tap = frames.tap([topic])
    except ConfigError as error:
        raise Problem(404, error.message, hint=error.hint) from None
    deadline = time.monotonic() + TAP_SECONDS
    with contextlib.closing(tap):
        frame = None
        while frame is None and time.monotonic() < deadline and not closing.is_set():
            frame = tap.receive(TAP_STEP_SECONDS)
        return frame


def _description(frame: Frame) -> dict[str, Any]:
    data = frame.data
    shape = getattr(data, "shape", None)
    image = is_image(data, frame.meta)
    return {
        "id": frame.id,
        "timestamp": frame.timestamp,
        "source": frame.source,
        "topic": frame.topic,
        "sequence": frame.sequence,
        "redelivered": frame.redelivered,
        "meta": frame.meta,
        "kind": "array" if shape is not None else type(data).__name__,
        "dtype": str(data.dtype) if shape is not None else None,
        "shape": list(shape) if shape is not None else None,
        "image": image,
        "preview": "" if image else _preview(data),
    }


def _preview(data: Any) -> Any:
    """Return what a person sees of a payload: JSON-like values, or a text cut to size."""
    if hasattr(data, "shape"):
        return str(data.reshape(-1)[:64].tolist())[:PREVIEW_CHARACTERS]
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data[:256]).hex(" ")
    if isinstance(data, dict | list):
        text = to_json(data)
        if len(text) <= PREVIEW_CHARACTERS:
            return msgspec.json.decode(text)
        return text[:PREVIEW_CHARACTERS].decode(errors="replace")
    return (data if isinstance(data, str) else repr(data))[:PREVIEW_CHARACTERS]
