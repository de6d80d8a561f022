"""Requests to a board as its callers know them, and what its answers mean."""

import numpy as np

from edgeflow.devices.boards.base import (
    BoardInfo,
    BoardModel,
    Floats,
    Forecast,
    Protocol,
    Slot,
    Timing,
)
from edgeflow.devices.serial.greeting import Found
from edgeflow.devices.serial.requests import Request
from edgeflow.errors import (
    EngineError,
    OverloadedError,
    TensorError,
    UnknownModelError,
)
from edgeflow.protocols.model_parts import lstm_operations, lstm_parameters
from edgeflow.protocols.uart import (
    INFER_REPLY,
    Info,
    Message,
    Model,
    Status,
    decode_refusal,
    quantise,
    scales_of,
)

__all__ = [
    "RefusedError",
    "check_payload",
    "check_reply",
    "check_sample",
    "forecast_of",
    "infer_payload",
    "info_of",
    "model_of",
    "models_of",
    "reference_model",
]

_SLOTS = {0: Slot.A, 1: Slot.B, 2: Slot.FILE}
_STATES = {1: "trial", 2: "confirmed"}
_FLOAT32 = b"\0\0\0\0"
_INT8 = b"\1\0\0\0"


class RefusedError(EngineError):
    """The board refused a request.

    Args:
        status, detail: its words in numbers.
    """

    def __init__(self, message: str, *, status: int, detail: int) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail


def check_reply(name: str, reply: Message) -> bytes:
    """Return the payload of a reply.

    Raises:
        EngineError: the board refused; TensorError, OverloadedError or UnknownModelError where
            that says more.
    """
    if not reply.status:
        return reply.payload
    refusal = decode_refusal(reply.status, reply.payload)
    message = f"{name}: {refusal}"
    if refusal.status == Status.DIMENSIONS:
        hint = f"it takes {refusal.detail} values" if refusal.detail else ""
        raise TensorError(message, hint=hint)
    if refusal.status == Status.BUSY:
        raise OverloadedError(message)
    if refusal.status == Status.NO_MODEL:
        raise UnknownModelError(message, hint="edgeflow flash model puts one on it")
    raise RefusedError(message, status=refusal.status, detail=refusal.detail)


def check_sample(name: str, sample: Floats, model: BoardModel) -> None:
    """Compare a sample with what the model takes.

    Raises:
        TensorError: it does not fit, or is not finite.
        UnknownModelError: there is no model.
    """
    if not model.steps:
        raise UnknownModelError(
            f"{name}: there is no model on the board", hint="edgeflow flash model puts one on it"
        )
    if sample.dtype != np.float32 or sample.shape != (model.steps, model.features):
        raise TensorError(
            f"{name}: got {sample.dtype}{list(sample.shape)}",
            hint=f"the model takes float32[{model.steps}, {model.features}]",
        )
    if not np.isfinite(sample).all():
        raise TensorError(f"{name}: the sample has values that are not finite")


def check_payload(name: str, payload: bytes, most: int) -> None:
    """Compare a payload with what a message to the board takes.

    Raises:
        TensorError: it is larger.
    """
    if len(payload) > most:
        raise TensorError(
            f"{name}: the request has {len(payload)} bytes, the board takes {most}",
            hint="int8 values take a quarter, a stream sends single steps",
        )


def infer_payload(sample: Floats, *, int8: bool) -> bytes:
    """Return the payload of INFER; int8 with the scales that fit this sample best."""
    if not int8:
        return _FLOAT32 + np.ascontiguousarray(sample, "<f4").tobytes()
    scales = scales_of(sample)
    return _INT8 + scales.astype("<f4").tobytes() + quantise(sample, scales).tobytes()


def forecast_of(name: str, reply: Message, request: Request, horizons: set[int]) -> Forecast:
    """Return what an INFER reply says.

    Args:
        name: of the board, for messages.
        reply: to ``request``.
        request: for its times.
        horizons: how many values there may be.

    Raises:
        EngineError: the board refused, or its answer makes no sense.
    """
    payload = check_reply(name, reply)
    count, odd = divmod(len(payload) - INFER_REPLY.size, 4)
    if odd or count not in horizons:
        raise EngineError(f"{name}: an answer of {len(payload)} bytes, which is not the model's")
    queued_us, compute_us = INFER_REPLY.unpack_from(payload)
    values: Floats = np.frombuffer(payload, "<f4", offset=INFER_REPLY.size)
    if not np.isfinite(values).all():
        raise EngineError(f"{name}: the answer is not finite")
    return Forecast(values, timing_of(request, queued_us / 1e3, compute_us / 1e3))


def timing_of(request: Request, board_queue: float, compute: float) -> Timing:
    """Split the milliseconds from the call to the answer; the board's words are cut to fit."""
    total = 1e3 * (request.answered - request.submitted)
    queue = 1e3 * (request.sent - request.submitted)
    compute = min(compute, total - queue)
    board_queue = min(board_queue, total - queue - compute)
    return Timing(queue, total - queue - board_queue - compute, board_queue, compute, total)


def info_of(port: str, found: Found) -> BoardInfo:
    """Return what a board said of itself."""
    hello = found.hello
    if hello is None:
        return BoardInfo(port, Protocol.REFERENCE, baud=found.baud)
    names = frozenset(
        str(each.name).lower() for each in type(hello.capabilities) if each in hello.capabilities
    )
    return BoardInfo(
        port,
        Protocol.EXTENDED,
        chip=hello.chip,
        firmware=hello.firmware,
        unique_id=hello.unique_id,
        baud=found.baud,
        window=hello.window,
        window_bytes=hello.window_bytes,
        capabilities=names,
        model_ids=len(found.models),
        slot_bytes=hello.slot_bytes,
        arena_bytes=hello.arena_bytes,
    )


def models_of(found: Found) -> tuple[BoardModel, ...]:
    """Return a board's models as it told them when it was found."""
    if found.info is not None:
        return (reference_model(found.info),)
    return tuple(model_of(number, model) for number, model in enumerate(found.models))


def reference_model(info: Info) -> BoardModel:
    """Return the model of a board that only tells dimensions."""
    if not info.steps:
        return _nothing(0)
    hidden = info.hidden
    weights = lstm_parameters(info.features, info.horizon, hidden)
    multiply_adds, activations = lstm_operations(info.steps, info.features, info.horizon, hidden)
    return BoardModel(
        0,
        info.steps,
        info.features,
        info.horizon,
        hidden,
        parameters=weights,
        file_bytes=16 + 4 * weights,
        multiply_adds=multiply_adds,
        activations=activations,
    )


def model_of(number: int, model: Model) -> BoardModel:
    """Return a model as the rest of the platform knows it."""
    if model.slot not in _SLOTS:
        return _nothing(number, _SLOTS.get(model.previous, Slot.NONE))
    return BoardModel(
        number,
        model.steps,
        model.features,
        model.horizon,
        model.hidden,
        kind="layers" if model.kind == 2 else "lstm",
        dtype="int8" if model.dtype == 1 else "float32",
        name=model.name,
        version=model.version,
        slot=_SLOTS[model.slot],
        previous=_SLOTS.get(model.previous, Slot.NONE),
        state=_STATES.get(model.state, "confirmed" if model.is_reference else "empty"),
        parameters=model.parameters,
        file_bytes=model.file_bytes,
        sha256=model.sha256,
        multiply_adds=model.multiply_adds,
        activations=model.activations,
    )


def _nothing(number: int, previous: Slot = Slot.NONE) -> BoardModel:
    return BoardModel(number, 0, 0, 0, 0, slot=Slot.NONE, previous=previous, state="empty")
