"""Sound of a room as one number: the volume in dBFS of PCM or WAV, in JSON with base64."""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from edgeflow.errors import FrameTooLargeError, ProtocolError
from edgeflow.protocols.climate import Boot, Sequence

__all__ = ["MAX_AUDIO", "SILENCE_DBFS", "Sound", "decode_sound", "volume_dbfs"]

MAX_AUDIO = 1 << 20
"""Bytes of an audio message: 24 s at 16 kHz in base64."""
SILENCE_DBFS = -80.0
FULL_SCALE = 32768.0
RATES = (4000, 192_000)
MAX_SECONDS = 120.0
MAX_CHUNKS = 64
PCM = 1
EXTENSIBLE = 0xFFFE


class _Audio(msgspec.Struct):
    data: str
    sample_rate: int = 16_000
    duration: float = 0.0
    sequence: Sequence = -1
    boot: Boot = 0


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of audio, measured.

    Attributes:
        samples: int16, mono (a WAV's first channel). sample_rate: Hz. duration: s.
        sha256: of the decoded bytes, in hex. format: ``wav`` or ``pcm``.
        volume: dBFS, -80 to 0. sequence, boot: as in a reading.
    """

    samples: npt.NDArray[np.int16]
    sample_rate: int
    duration: float
    sha256: str
    format: str
    volume: float
    sequence: int = -1
    boot: int = 0


def volume_dbfs(samples: npt.NDArray[np.int16]) -> float:
    """Root mean square in decibels of full scale: 20 log10(max(rms, 1) / 32768), -80 to 0."""
    if not len(samples):
        return SILENCE_DBFS
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return float(np.clip(20.0 * np.log10(max(rms, 1.0) / FULL_SCALE), SILENCE_DBFS, 0.0))


def decode_sound(payload: bytes) -> Sound:
    """Read ``{"data": base64, "sample_rate": ..., "duration": ...}``; data is WAV or PCM16LE.

    Raises:
        ProtocolError: no such JSON, no base64, an impossible rate, a WAV that is not 16-bit PCM.
        FrameTooLargeError: more than ``MAX_AUDIO`` bytes.
    """
    if len(payload) > MAX_AUDIO:
        raise FrameTooLargeError(
            f"audio: {len(payload)} bytes; at most {MAX_AUDIO}", hint="send shorter stretches"
        )
    try:
        message = _decoder.decode(payload)
        data = base64.b64decode(message.data, validate=True)
    except (msgspec.DecodeError, RecursionError, binascii.Error, ValueError) as error:
        raise ProtocolError(f"audio: {error}", hint="JSON with base64 in data") from error
    return _measured(message, data)


def _measured(message: _Audio, data: bytes) -> Sound:
    is_wav = data[:4] == b"RIFF" and data[8:12] == b"WAVE"
    rate, pcm, channels = _wav(data) if is_wav else (message.sample_rate, data, 1)
    if not RATES[0] <= rate <= RATES[1]:
        raise ProtocolError(f"audio: {rate} samples a second", hint=f"{RATES[0]} to {RATES[1]}")
    whole = len(pcm) - len(pcm) % (2 * channels)
    samples = np.frombuffer(pcm[:whole], "<i2")[::channels].astype(np.int16, copy=False)
    duration = len(samples) / rate
    if duration > MAX_SECONDS:
        raise ProtocolError(f"audio: {duration:.0f} s long", hint=f"at most {MAX_SECONDS:.0f} s")
    return Sound(
        samples=samples,
        sample_rate=rate,
        duration=duration,
        sha256=hashlib.sha256(data).hexdigest(),
        format="wav" if is_wav else "pcm",
        volume=volume_dbfs(samples),
        sequence=message.sequence,
        boot=message.boot,
    )


def _wav(data: bytes) -> tuple[int, bytes, int]:
    """Rate, samples and channels of a WAV; a stream that names no length runs to its end."""
    rate = channels = 0
    at = 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            break
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        if name == b"fmt ":
            rate, channels = _format(body, at)
        elif name == b"data" and channels:
            return rate, body, channels
        at += 8 + size + size % 2
    raise ProtocolError(f"audio: a WAV without samples at byte {at}", hint="fmt, then data")


def _format(body: bytes, at: int) -> tuple[int, int]:
    if len(body) < 16:
        raise ProtocolError(f"audio: a WAV's format of {len(body)} bytes at byte {at}")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if kind not in (PCM, EXTENSIBLE) or bits != 16 or not 1 <= channels <= 8:
        raise ProtocolError(
            f"audio: a WAV of format {kind} with {channels} channels of {bits} bits",
            hint="16-bit PCM",
        )
    return rate, channels


_decoder = msgspec.json.Decoder(_Audio)
