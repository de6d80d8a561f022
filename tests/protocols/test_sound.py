"""Volume of a room, from PCM and WAV."""

import base64
import hashlib
import io
import json
import wave

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import CommsError, FrameTooLargeError, ProtocolError
from edgeflow.protocols.sound import decode_sound, volume_dbfs


def message(data: bytes, **fields: object) -> bytes:
    """An audio message as a device sends it."""
    return json.dumps({"data": base64.b64encode(data).decode(), **fields}).encode()


def tone(amplitude: float, seconds: float = 0.5, rate: int = 16_000) -> npt.NDArray[np.int16]:
    """A sine of 440 Hz."""
    times = np.arange(int(seconds * rate)) / rate
    return np.round(amplitude * np.sin(2 * np.pi * 440 * times)).astype("<i2")


def wav(samples: npt.NDArray[np.int16], rate: int = 16_000, channels: int = 1) -> bytes:
    """A WAV of the standard library's."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def test_a_full_sine_is_three_decibels_below_full_scale() -> None:
    assert volume_dbfs(tone(32767)) == pytest.approx(-3.01, abs=0.01)
    assert volume_dbfs(tone(3276.7)) == pytest.approx(-23.01, abs=0.01)


@pytest.mark.parametrize("samples", [[], [0] * 100, [1] * 100, [-1, 1] * 50])
def test_silence_is_minus_eighty(samples: list[int]) -> None:
    assert volume_dbfs(np.array(samples, np.int16)) == -80.0


def test_the_loudest_is_zero() -> None:
    assert volume_dbfs(np.full(10, -32768, np.int16)) == 0.0


def test_wav_and_pcm_of_the_same_sound_are_equally_loud() -> None:
    samples = tone(1000)
    plain = decode_sound(message(samples.tobytes(), sample_rate=16_000, duration=0.5))
    boxed = decode_sound(message(wav(samples), sample_rate=16_000, duration=0.5))
    assert plain.volume == boxed.volume
    assert (plain.format, boxed.format) == ("pcm", "wav")
    assert len(boxed.samples) == len(samples), "the header is no sound"
    assert plain.sha256 == hashlib.sha256(samples.tobytes()).hexdigest()
    assert plain.duration == 0.5


def test_the_header_of_a_wav_tells_its_rate_and_channels() -> None:
    both = np.stack([tone(1000, rate=48_000), tone(10, rate=48_000)], axis=1)
    sound = decode_sound(message(wav(both, 48_000, 2), sample_rate=16_000))
    assert sound.sample_rate == 48_000
    assert sound.volume == volume_dbfs(tone(1000, rate=48_000))


def test_an_odd_byte_at_the_end_is_no_sample() -> None:
    assert len(decode_sound(message(tone(100).tobytes() + b"x")).samples) == 8000


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b'{"data": 5}', b'{"data": "not base64!"}', message(b"RIFF\0\0\0\0WAVE"),
     message(b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0\1\0"), message(b"", sample_rate=1),
     message(wav(tone(1))[:30])],
)  # fmt: skip
def test_what_is_no_sound_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_sound(payload)


def test_a_24_bit_wav_is_refused_with_what_it_is() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(3)
        out.setframerate(16_000)
        out.writeframes(bytes(300))
    with pytest.raises(ProtocolError, match="24 bits"):
        decode_sound(message(file.getvalue()))


def test_ten_megabytes_are_refused_unread() -> None:
    with pytest.raises(FrameTooLargeError, match="at most"):
        decode_sound(b"x" * 10_000_000)


@given(st.binary(max_size=300))
def test_arbitrary_audio_never_raises_anything_else(data: bytes) -> None:
    for payload in (data, message(data), message(b"RIFF\0\0\0\0WAVE" + data)):
        try:
            sound = decode_sound(payload)
        except CommsError:
            continue
        assert -80.0 <= sound.volume <= 0.0
